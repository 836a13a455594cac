"""``reconciler plan``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

import click

from reconciler.api.destination import require_writable, write_file
from reconciler.api.formats import PLAN_FORMATS
from reconciler.api.shard_folder import ShardFolder
from reconciler.cli.environment import Access
from reconciler.cli.options.events import events_option, opened_events
from reconciler.cli.options.formats import Writes, format_options
from reconciler.cli.options.listening import Console
from reconciler.cli.options.path_type import ADDRESS
from reconciler.cli.options.project import find_root, folder_in_repository, open_project
from reconciler.cli.options.shared import (
    StateAddress,
    max_age_option,
    paths_argument,
    probe_option,
    project_options,
)
from reconciler.cli.options.stores import access_options
from reconciler.cli.runs.planning import (
    PlanRequest,
    exit_code_of,
    make_plan,
    make_plan_in_shards,
    plan_exit_code,
    say_effort,
)
from reconciler.cli.runs.showing import PlanView, show_manifest, show_plan, shown_if_invalid
from reconciler.errors import UsageError
from reconciler.model.plan_summary import PlanSummary
from reconciler.objects.path import open_folder
from reconciler.planning.gates import gates_of
from reconciler.planning.plan_file import write_plan
from reconciler.reporting.events import gate_events, plan_events, plan_summary_event


@click.command(name="plan")
@paths_argument
@click.option(
    "--out",
    type=ADDRESS,
    metavar="FILE|DIR|URL",
    help="Save the plan for apply; with --shard-size, its folder, or gs://, s3:// or az:// with"
    " bucket and prefix.",
)
@click.option(
    "--shard-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Plan in shards of at most N deletions, in bounded memory.",
)
@format_options(PLAN_FORMATS)
@events_option
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with 2 if deletions or drift are pending.",
)
@max_age_option
@probe_option
@access_options
@project_options
def command(
    *,
    paths: tuple[Path, ...],
    out: Path | str | None,
    shard_size: int | None,
    format_name: str,
    writes: Writes,
    events_file: Path | None,
    detailed_exitcode: bool,
    max_age: timedelta,
    probe: Literal["auto", "retrieve"],
    access: Access,
    state: StateAddress | None,
    root: Path | None,
) -> int:
    """Show what apply would delete, without deleting anything.

    PATHS are desired-state files and folders (default: specs/). The keeps of every file under
    specs/ always apply. The connection of this command refuses to send anything but read requests.

    With --shard-size the plan is a folder, or a prefix of a bucket: plan.json in it is the
    manifest, which you review and apply; the shards are in shards/. A shard contains whole studies,
    so a study with more than N deletions is a larger shard.

    Exit code 3 if a gate is blocking or the plan is incomplete; the plan is written anyway.

    \b
    Examples:
      reconciler plan
      reconciler plan specs/retention.yaml --out plan.json --write markdown=plan.md
      reconciler plan --shard-size 100000 --out plan/
      reconciler plan --shard-size 100000 --out gs://imaging-plans/retention/
      reconciler plan --format json --write sarif=plan.sarif --write junit=plan.xml
      reconciler plan --detailed-exitcode
    """
    project = find_root(root)
    folder = None if shard_size is None else _shard_folder(out)
    file = None if folder else _plan_file(out)
    require_writable(file, events_file, *(path for _, path in writes), read=paths)
    view = PlanView(format_name, writes, folder_in_repository(project))
    with opened_events(events_file, "plan") as events, shown_if_invalid(view):
        request = PlanRequest(
            paths=paths or None,
            project=open_project(state, project),
            access=access,
            max_age=max_age,
            listener=Console(events),
            probe=probe,
        )
        if folder is not None and shard_size is not None:
            manifest = make_plan_in_shards(
                request, shard_size, folder, lambda saved: events.emit(plan_events(saved, ()))
            )
            events.emit(gate_events(manifest.gates))
            show_manifest(manifest, view)
            say_effort(manifest.summary, access.max_qps)
            is_pending = detailed_exitcode and manifest.summary.has_pending
            code = exit_code_of(manifest.gates, is_pending=is_pending)
            events.emit([plan_summary_event(manifest, code)])
            return code
        saved = make_plan(request)
        events.emit(plan_events(saved, gates_of(saved)))
        if file is not None:
            write_file(file, write_plan(saved))
        show_plan(saved, view)
        say_effort(PlanSummary.of(saved), access.max_qps)
        code = plan_exit_code(saved, detailed=detailed_exitcode)
        events.emit([plan_summary_event(saved, code)])
    return code


def _plan_file(out: Path | str | None) -> Path | None:
    if isinstance(out, str):
        raise UsageError(
            "--out is a URL, where only a plan in shards is written", hint="add --shard-size N"
        )
    return out


def _shard_folder(out: Path | str | None) -> ShardFolder:
    if out is None:
        raise UsageError(
            "a plan in shards is a folder, and none is named", hint="name one with --out DIR/"
        )
    return ShardFolder(open_folder(out))
