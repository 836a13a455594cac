"""A check of desired-state files as Markdown, for a pull request or a step summary."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.desired import DesiredState
from reconciler.model.problem import Problem, Severity
from reconciler.model.validation import Validation
from reconciler.reporting.markdown import COMMENT, Detail, Limit, escape, fit, listed
from reconciler.reporting.validation.tally import tally
from reconciler.reporting.wording import plural


def validation_as_markdown(validation: Validation, limit: Limit = COMMENT) -> Iterator[str]:
    """Errors first, as many as the limit has room for."""
    return fit(lambda detail: _render(validation, detail), limit)


def _render(validation: Validation, detail: Detail) -> Iterator[str]:
    counts = f"{plural(validation.errors, 'error')}, {plural(validation.warnings, 'warning')}"
    is_valid = validation.desired is not None
    yield f"### {'Valid' if is_valid else 'Invalid'} desired state: {counts}\n\n"
    if not is_valid:
        yield "Nothing can be planned before the errors are corrected.\n\n"
    for severity in Severity:
        problems = [one for one in validation.problems if one.severity is severity]
        if problems:
            yield f"**{severity.value.capitalize()}s**\n\n"
            yield from listed([_problem(one) for one in problems], detail)
    if validation.desired is not None:
        yield from listed(_stores(validation.desired), detail)


def _problem(problem: Problem) -> str:
    source = problem.source
    hint = f" (hint: {escape(problem.hint)})" if problem.hint else ""
    place = escape(f"{source.path}:{source.line}:{source.column}")
    return f"{place}: {escape(problem.message)}{hint}"


def _stores(desired: DesiredState) -> list[str]:
    return [
        f"`{store.store}`: remove {tally(store.removes.entries)}; keep {tally(store.keeps.entries)}"
        for store in desired.stores
    ]
