"""Problems as workflow commands of GitHub Actions, which shows them on the lines they are about.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model.problem import Problem, Severity
from reconciler.reporting.wording import plain, plural

MOST = 10
"""So many annotations of one step are shown; the last one counts the rest."""


def annotations_of(problems: Sequence[Problem]) -> Iterator[str]:
    """One line each, errors first."""
    ordered = sorted(problems, key=lambda problem: problem.severity is not Severity.ERROR)
    hidden = len(ordered) - MOST
    for number, problem in enumerate(ordered[:MOST], start=1):
        is_last = number == MOST and hidden > 0
        more = f"\n… and {plural(hidden, 'more problem')}; all are in the log" if is_last else ""
        yield _annotation(problem, more)


def error_annotation(message: str, hint: str | None) -> str:
    """What went wrong with a whole run, at no place of a file."""
    return f"::error title=reconciler::{_data(_words(message, hint))}\n"


def _annotation(problem: Problem, more: str) -> str:
    source = problem.source
    properties = {
        "file": source.path,
        "line": str(source.line),
        "col": str(source.column),
        "title": f"reconciler: {problem.rule}",
    }
    where = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    message = _words(problem.message, problem.hint) + more
    return f"::{problem.severity.value} {where}::{_data(message)}\n"


def _words(message: str, hint: str | None) -> str:
    return plain(message) + (f"\nhint: {plain(hint)}" if hint else "")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
