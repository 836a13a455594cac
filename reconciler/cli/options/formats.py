"""The formats of a document, for ``--format F`` and ``--write F=FILE``, the same everywhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

import click

from reconciler.api.destination import write_file
from reconciler.cli.options.path_type import PATH
from reconciler.cli.options.shared import Decorator, together

Writes = Sequence[tuple[str, Path]]
Render = Callable[[str], Iterable[str]]
"""The document in one format."""


INSTEAD_OF_A_PLAN = frozenset({"markdown", "sarif", "junit", "codequality"})
"""The formats in which ``plan`` reports invalid files; the others have nothing to hold."""


def write_formats(writes: Writes, render_format: Render, *, private: bool = False) -> None:
    """Write every ``--write F=FILE``; what is ``private`` for its owner only."""
    for format_name, path in writes:
        write_file(path, render_format(format_name), private=private)


def format_options(formats: Collection[str], *, default: str = "text") -> Decorator:
    """Add ``--format`` and ``--write`` with these formats."""
    known = ", ".join(formats)

    def target(text: str) -> tuple[str, Path]:
        """Split ``F=FILE`` at the first ``=`` and check the format."""
        format_name, separator, path = text.partition("=")
        if not separator or not path or format_name not in formats:
            raise click.BadParameter(f"{text!r} is not F=FILE with F one of {known}")
        return format_name, PATH.convert(path, None, None)

    return together(
        click.option(
            "--format",
            "format_name",
            type=click.Choice(list(formats)),
            metavar="F",
            default=default,
            show_default=True,
            help=f"Output format of stdout: {known}.",
        ),
        click.option(
            "--write",
            "writes",
            type=target,
            multiple=True,
            metavar="F=FILE",
            help="Also write the format F to FILE; repeatable.",
        ),
    )
