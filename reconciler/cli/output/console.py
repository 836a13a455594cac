"""The one place that prints: a document on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import singledispatch

import click

from reconciler.cli.output.colour import wants_colour
from reconciler.errors import (
    DesiredStateError,
    GatesBlocking,
    ReconcilerError,
    StatementError,
)
from reconciler.model.problem import Problem, Severity
from reconciler.reporting.wording import describe_gate

SHOWN = 50
"""So many problems are shown; the rest are counted."""

_WRITTEN_AT_ONCE = 1 << 16


def write_document(pieces: Iterable[str]) -> None:
    """Write the command's one document to stdout.

    Raises:
        ReconcilerError: it could not be written.
    """
    try:
        for text in pieces if sys.stdout.isatty() else _gathered(pieces):
            click.echo(text, nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ReconcilerError(f"cannot write to standard output: {error.strerror}") from error


def _gathered(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces, many at a time: each write is flushed."""
    gathered: list[str] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= _WRITTEN_AT_ONCE:
            yield "".join(gathered)
            gathered, size = [], 0
    yield "".join(gathered)


def say(text: str) -> None:
    """Write a line for people to stderr; no run ends because it cannot be written."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


_said_last: list[str] = []


def say_last(text: str) -> None:
    """As `say`, below all that the command was asked for: how it went, and what to keep of it."""
    _said_last.append(text)


@contextlib.contextmanager
def last_words() -> Iterator[None]:
    """Around a command: what it has to `say_last` stands at its end, above an error."""
    _said_last.clear()
    try:
        yield
    finally:
        for text in _said_last:
            say(text)


def _label(word: str) -> str:
    return click.style(word, fg="red", bold=True) if wants_colour(sys.stderr) else word


@singledispatch
def report_error(error: ReconcilerError) -> None:
    """Say what went wrong and what to do."""
    say(f"{_label('error:')} {error}")
    if error.hint:
        say(f"  hint: {error.hint}")


@report_error.register(DesiredStateError)
@report_error.register(StatementError)
def _(error: DesiredStateError | StatementError) -> None:
    report_problems(error.problems)


@report_error.register
def _(error: GatesBlocking) -> None:
    say(f"{_label('error:')} {error}")
    for gate in error.gates:
        say(f"  {describe_gate(gate)} ({gate.store})")
        say(f"    hint: {gate.hint}")


def report_problems(problems: Sequence[Problem]) -> None:
    """List the problems of input files, errors before the cap bites on warnings."""
    shown = sorted(problems, key=lambda problem: problem.severity is not Severity.ERROR)[:SHOWN]
    for problem in sorted(shown, key=lambda problem: problem.sort_key):
        say(str(problem))
    if len(problems) > SHOWN:
        say(f"… and {len(problems) - SHOWN:,} more problems")
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    warnings = len(problems) - errors
    say(f"{errors:,} error{'s' * (errors != 1)}, {warnings:,} warning{'s' * (warnings != 1)}")
