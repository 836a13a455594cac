"""The forms of a plan, for ``--format F`` and ``--write F=FILE``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from reconciler.cli.console import write_file
from reconciler.model.gate import Gate
from reconciler.model.plan import SavedPlan
from reconciler.planning.gates import gates_of
from reconciler.planning.plan_file import write_plan
from reconciler.reporting.plan_markdown import plan_as_markdown
from reconciler.reporting.plan_text import plan_as_text


def _plan_as_json(saved: SavedPlan, gates: Sequence[Gate]) -> Iterator[str]:  # noqa: ARG001 - the plan file holds its gates
    return write_plan(saved)


_FORMATS: dict[str, Callable[[SavedPlan, Sequence[Gate]], Iterator[str]]] = {
    "text": plan_as_text,
    "json": _plan_as_json,
    "markdown": plan_as_markdown,
}


def render(saved: SavedPlan, form: str) -> Iterator[str]:
    """The plan in one form, in pieces."""
    return _FORMATS[form](saved, gates_of(saved))


def write_forms(saved: SavedPlan, targets: Sequence[tuple[str, Path]]) -> None:
    """Write every ``--write F=FILE``."""
    for form, path in targets:
        write_file(path, render(saved, form))


class FormatTarget(click.ParamType[tuple[str, Path]]):
    """``F=FILE``."""

    name = "format=file"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """Split at the first ``=`` and check the form."""
        if isinstance(value, tuple):
            return value
        form, separator, path = str(value).partition("=")
        if not separator or not path or form not in _FORMATS:
            known = ", ".join(_FORMATS)
            self.fail(f"{value!r} is not F=FILE with F one of {known}", param, ctx)
        return form, Path(path)


def format_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--format`` and ``--write``."""
    command = click.option(
        "--write",
        "writes",
        type=FormatTarget(),
        multiple=True,
        metavar="F=FILE",
        help="Also write the form F to FILE; repeatable.",
    )(command)
    return click.option(
        "--format",
        "form",
        type=click.Choice(list(_FORMATS)),
        default="text",
        show_default=True,
        help="What stdout carries.",
    )(command)
