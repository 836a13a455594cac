"""``reconciler filter-file``: for the export and the storage classes of the Cloud Healthcare API.

https://cloud.google.com/healthcare-api/docs/how-tos/dicom-export-filter
"""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.api.destination import require_writable, write_file
from reconciler.api.loading import read_saved_plan
from reconciler.cli.options.listening import Console
from reconciler.cli.options.path_type import ADDRESS, PATH
from reconciler.cli.output.console import say, write_document
from reconciler.errors import UsageError
from reconciler.model.plan import Plan, StorePlan
from reconciler.objects.path import open_path


@click.command(name="filter-file")
@click.argument("plan", type=ADDRESS)
@click.option("--store", metavar="STORE", help="The store, if the plan has several.")
@click.option("--out", type=PATH, metavar="FILE", help="Write to FILE instead of stdout.")
def command(plan: Path | str, store: str | None, out: Path | None) -> None:
    """List what a saved PLAN deletes as a filter file for Google's own operations.

    One line per instance, /studies/…/series/…/instances/…: the filter file of the Cloud Healthcare
    API's export and storage class operations. STORE is
    projects/P/locations/L/datasets/D/dicomStores/S.

    \b
    Examples:
      reconciler filter-file plan.json > filter.txt
      reconciler filter-file plan.json --out filter.txt
    """
    require_writable(out)
    chosen = _choose(read_saved_plan(open_path(plan), Console()).plan, store)
    lines = (f"{instance}\n" for one in chosen for instance in one.deletions())
    if not any(one.studies for one in chosen):
        say("note: the plan deletes nothing")
    if out is not None:
        write_file(out, lines)
    else:
        write_document(lines)


def _choose(plan: Plan, name: str | None) -> list[StorePlan]:
    """The one store that is meant; none where the plan is about none."""
    names = [str(store.store) for store in plan.stores]
    if name is not None and name not in names:
        raise UsageError(f"the plan is not about {name}", hint=f"it is about {', '.join(names)}")
    if name is None and len(names) > 1:
        raise UsageError("the plan is about several stores", hint=f"--store {names[0]}")
    return [one for one in plan.stores if name in {None, str(one.store)}]
