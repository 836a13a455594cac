"""``reconciler show``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import require_writable, write_document
from reconciler.cli.formats import format_options, render, write_forms
from reconciler.cli.reading import read_saved_plan


@click.command(name="show")
@click.argument("plan", type=click.Path(path_type=Path))
@format_options
def command(plan: Path, form: str, writes: tuple[tuple[str, Path], ...]) -> None:
    """Render a saved PLAN, offline.

    \b
    Examples:
      reconciler show plan.json
      reconciler show plan.json --format markdown
    """
    require_writable(*(path for _, path in writes))
    saved = read_saved_plan(plan)
    write_forms(saved, writes)
    write_document(render(saved, form))
