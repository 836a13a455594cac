"""``reconciler filter-file``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options.path_type import PATH
from reconciler.cli.output.console import say, write_document
from reconciler.cli.output.destination import require_writable, write_file
from reconciler.cli.runs.reading import read_saved_plan
from reconciler.errors import UsageError
from reconciler.model.plan import Plan, StorePlan
from reconciler.reporting.plan.filter_file import plan_as_filter


@click.command(name="filter-file")
@click.argument("plan", type=PATH)
@click.option("--store", metavar="STORE", help="Of which store, if the plan is about several.")
@click.option("--out", type=PATH, metavar="FILE", help="Write it there.")
def command(plan: Path, store: str | None, out: Path | None) -> None:
    """List what a saved PLAN deletes, as Google's own operations take it.

    One line for each instance, /studies/…/series/…/instances/…: the filter file of an export or a
    change of storage class of the Cloud Healthcare API. STORE is written as
    projects/P/locations/L/datasets/D/dicomStores/S.

    \b
    Examples:
      reconciler filter-file plan.json > filter.txt
      reconciler filter-file plan.json --out filter.txt
    """
    require_writable(out)
    chosen = _choose(read_saved_plan(plan).plan, store)
    lines = plan_as_filter(chosen) if chosen is not None else iter(())
    if chosen is None or not chosen.studies:
        say("note: the plan deletes nothing")
    if out is not None:
        write_file(out, lines)
    else:
        write_document(lines)


def _choose(plan: Plan, name: str | None) -> StorePlan | None:
    names = [str(store.store) for store in plan.stores]
    if name is not None and name not in names:
        raise UsageError(f"the plan is not about {name}", hint=f"it is about {', '.join(names)}")
    if name is None and len(names) > 1:
        raise UsageError("the plan is about several stores", hint=f"--store {names[0]}")
    found = (one for one in plan.stores if name in {None, str(one.store)})
    return next(found, None)
