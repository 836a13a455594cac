"""``reconciler apply``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reconciler.api.applying import require_in_shards
from reconciler.cli.options.path_type import ADDRESS
from reconciler.cli.options.review import review_options
from reconciler.cli.options.shards import shards_options
from reconciler.cli.options.shared import (
    max_age_option,
    patient_key_option,
    probe_option,
    project_options,
)
from reconciler.cli.runs.applying import ApplyOptions, apply_plan, opened_apply
from reconciler.cli.runs.plan_and_apply import plan_and_apply, read_reviewed
from reconciler.cli.runs.shared import run_options
from reconciler.errors import UsageError


@click.command(name="apply")
@click.argument("paths", nargs=-1, type=ADDRESS)
@click.option("--auto-approve", is_flag=True, help="Do not ask for confirmation.")
@review_options
@run_options(
    "Stop after N unconfirmed deletions, or N failed in a row; up to --parallelism more may be"
    " under way by then."
)
@max_age_option
@shards_options
@probe_option
@patient_key_option
@project_options
def command(*, paths: tuple[Path | str, ...], **given: Any) -> int:
    """Delete what a plan lists, prove it and record it.

    PATHS is one saved plan (plan.json), or desired-state files and folders (default: specs/), which
    are planned, shown, and applied after a 'yes'. For a plan in shards it is the plan.json beside
    shards/; shards that were applied before are skipped. A saved plan may be the URL of an object
    in a bucket.

    Exit code 0 if every planned deletion is proven, 3 if the plan is refused, 4 if a deletion
    failed, is unconfirmed or was not attempted, 5 if another run holds the lock. After an
    interruption, run the same command to resume.

    \b
    Examples:
      reconciler apply plan.json --report report.json
      reconciler apply specs/ --write markdown=apply.md
      reconciler apply specs/ --auto-approve --expect-digest sha256:…
      reconciler apply plan/plan.json --processes 4 --max-qps 200
      reconciler apply gs://imaging-plans/retention/plan.json --shard auto
    """
    with opened_apply(paths, **given) as options:
        files = [path for path in paths if isinstance(path, Path)]
        if len(files) < len(paths) or any(path.suffix == ".json" for path in files):
            return _apply_saved(paths, options)
        require_in_shards(options.processes, options.task)
        return plan_and_apply(options.plan_request(files or None), options)


def _apply_saved(paths: tuple[Path | str, ...], options: ApplyOptions) -> int:
    if len(paths) != 1:
        raise UsageError("a saved plan is applied alone", hint="give one plan file and no PATH")
    return apply_plan(read_reviewed(paths[0], options), options)
