"""What a step of GitHub Actions gets besides: annotations, its summary, its outputs.

Elsewhere nothing happens. What cannot be written there is said, and stops nothing: a deletion
that is under way must not end because a summary could not be written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from reconciler.cli.output.console import say
from reconciler.errors import DesiredStateError, ReconcilerError
from reconciler.model.problem import Problem
from reconciler.reporting.ci.annotations import annotations_of, error_annotation
from reconciler.reporting.ci.places import in_repository
from reconciler.reporting.markdown import STEP_SUMMARY_BYTES, Limit
from reconciler.reporting.run.step_outputs import Outputs, outputs_as_text

_ACTIONS = "GITHUB_ACTIONS"
_SUMMARY = "GITHUB_STEP_SUMMARY"
_OUTPUT = "GITHUB_OUTPUT"

VARIABLES = (_ACTIONS, _SUMMARY, _OUTPUT)
"""By these a step makes itself known; a trial that the tool makes of itself must not see them."""


def annotate(find: Callable[[], Sequence[Problem]]) -> None:
    """Show problems on their lines; they are looked for only where somebody sees them.

    Their paths are those of the repository.
    """
    if _runs_here():
        _command(annotations_of(find()))


@contextmanager
def annotated_errors(folder: str) -> Iterator[None]:
    """Show what ends the command; ``folder`` is the project's root in the repository."""
    try:
        yield
    except DesiredStateError as error:
        _command(annotations_of(in_repository(error.problems, folder)))
        raise
    except ReconcilerError as error:
        annotate_error(str(error), error.hint)
        raise


def annotate_error(message: str, hint: str | None = None) -> None:
    """Show what went wrong with the whole run."""
    _command([error_annotation(message, hint)])


def _runs_here() -> bool:
    return os.environ.get(_ACTIONS) == "true"


def _command(lines: Iterable[str]) -> None:
    if _runs_here():
        for line in lines:
            click.echo(line, nl=False, err=True)


def summarize(render: Callable[[Limit], Iterable[str]]) -> None:
    """Add a document to the step's summary, in as much detail as the step has room for."""
    _append(
        _SUMMARY,
        "summary",
        lambda taken: render(Limit(STEP_SUMMARY_BYTES - taken, in_bytes=True)),
    )


def set_outputs(outputs: Outputs) -> None:
    """Give values to the steps that follow."""
    _append(_OUTPUT, "outputs", lambda _: outputs_as_text(outputs))


def _append(variable: str, name: str, render: Callable[[int], Iterable[str]]) -> None:
    """Add to the file that a variable names, if any; ``render`` gets the length of it so far."""
    path = os.environ.get(variable)
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8", newline="\n") as file:
            file.writelines(render(os.fstat(file.fileno()).st_size))
    except OSError as error:
        say(f"note: the step's {name} cannot be written: {error.strerror}")
