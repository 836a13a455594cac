"""``reconciler show``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from reconciler.api.destination import require_writable
from reconciler.api.formats import PLAN_FORMATS, render
from reconciler.api.planning import read_plan
from reconciler.cli.environment import Access
from reconciler.cli.options.formats import Writes, format_options, write_formats
from reconciler.cli.options.listening import Console
from reconciler.cli.options.path_type import ADDRESS
from reconciler.cli.options.project import find_root, open_project
from reconciler.cli.options.shared import StateAddress, project_options
from reconciler.cli.options.stores import access_options
from reconciler.cli.output.console import write_document
from reconciler.cli.runs.showing import write_plan_document
from reconciler.cli.runs.thumbnails import plan_thumbnails
from reconciler.errors import UsageError
from reconciler.model.plan import SavedPlan
from reconciler.model.shards.manifest import Manifest
from reconciler.model.thumbnail import Thumbnails
from reconciler.planning.gates import gates_of
from reconciler.reporting.plan.html import plan_as_html


@click.command(name="show")
@click.argument("plan", type=ADDRESS)
@format_options(PLAN_FORMATS)
@click.option(
    "--thumbnails",
    is_flag=True,
    help="With html: fetch an image of each series to delete, at most 200. They show patients.",
)
@access_options
@project_options
def command(
    *,
    plan: Path | str,
    format_name: str,
    writes: Writes,
    thumbnails: bool,
    access: Access,
    state: StateAddress | None,
    root: Path | None,
) -> None:
    """Render a saved PLAN, offline unless --thumbnails is given.

    For a plan in shards, PLAN is the manifest or one of the shards. PLAN may be the URL of an
    object in a bucket.

    With --thumbnails the store renders one instance to delete of each series, and the page contains
    the images: protect it like the images themselves. These requests are recorded, as those of a
    query are. Without --thumbnails, the options for the store and the state have no effect.

    \b
    Examples:
      reconciler show plan.json
      reconciler show gs://imaging-plans/retention/plan.json --format markdown
      reconciler show plan.json --write html=plan.html
      reconciler show plan.json --thumbnails --write html=plan.html
      reconciler show plan.json --write junit=plan.xml --write terraform=plan-report.json
    """
    require_writable(*(path for _, path in writes), read=[plan])
    saved = read_plan(plan, listener=Console())
    images = None
    if thumbnails:
        if "html" not in {format_name, *(name for name, _ in writes)}:
            raise UsageError(
                "--thumbnails is of no use without a page",
                hint="add --write html=plan.html or --format html",
            )
        if isinstance(saved, Manifest):
            raise UsageError(
                f"{plan} is the manifest of a plan in shards, whose series are in its shards",
                hint="show a shard with --thumbnails",
            )
        folder = open_project(state, find_root(root), only_reads=True).state
        images = plan_thumbnails(saved, access, folder)
    write_formats(writes, partial(_rendered, saved, images), private=images is not None)
    if format_name == "html":
        write_document(_rendered(saved, images, format_name))
    else:
        write_plan_document(saved, format_name)


def _rendered(
    saved: SavedPlan | Manifest, images: Thumbnails | None, format_name: str
) -> Iterator[str]:
    if format_name == "html" and isinstance(saved, SavedPlan):
        return plan_as_html(saved, gates_of(saved), images)
    return render(saved, format_name)
