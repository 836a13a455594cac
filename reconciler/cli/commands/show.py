"""``reconciler show``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from reconciler.cli.console import require_writable
from reconciler.cli.formats import PLAN_FORMS, Writes, format_options, render, write_forms
from reconciler.cli.reading import read_saved_plan
from reconciler.cli.showing import write_plan_document


@click.command(name="show")
@click.argument("plan", type=click.Path(path_type=Path))
@format_options(PLAN_FORMS)
def command(plan: Path, form: str, writes: Writes) -> None:
    """Render a saved PLAN, offline.

    \b
    Examples:
      reconciler show plan.json
      reconciler show plan.json --format markdown
      reconciler show plan.json --write html=plan.html
      reconciler show plan.json --write junit=plan.xml --write terraform=plan-report.json
    """
    require_writable(*(path for _, path in writes))
    saved = read_saved_plan(plan)
    write_forms(writes, partial(render, saved))
    write_plan_document(saved, form)
