"""``reconciler beam``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reconciler.api.showing import PlanInShards
from reconciler.applying.stopping import Stop
from reconciler.cli.options.path_type import PATH
from reconciler.cli.options.review import review_options
from reconciler.cli.options.shared import project_options
from reconciler.cli.output.console import say
from reconciler.cli.runs.applying import apply_plan, opened_apply
from reconciler.cli.runs.plan_and_apply import read_reviewed
from reconciler.cli.runs.shared import run_options
from reconciler.errors import UsageError
from reconciler.model.outcome import RunState


@click.command(name="beam")
@click.argument("plan", type=PATH)
@click.argument("beam_options", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--tasks",
    type=click.IntRange(1, 1000),
    required=True,
    metavar="N",
    help="Divide the shards into so many tasks: as many as workers run at once. --max-qps is the"
    " total of all, --parallelism that of each.",
)
@review_options
@run_options("Stop a task once N deletions of a shard are unconfirmed, or failed in a row.")
@project_options
def command(*, plan: Path, beam_options: tuple[str, ...], tasks: int, **given: Any) -> int:
    """Apply a plan in shards on the workers of an Apache Beam pipeline.

    PLAN is the manifest; the arguments after -- are Beam's. Every worker must see the plan, the
    project and the state by the same paths or URLs, and finds its own credentials. Once the
    pipeline has ended, all shards are accounted for as apply does it, with its report and its exit
    code; what a pipeline that failed has left is not attempted then. The same command resumes.

    \b
    Example:
      reconciler beam plan/plan.json --tasks 2 --max-qps 200 --report report.json \\
        -- --direct_running_mode multi_processing --direct_num_workers 2
    """
    try:
        from reconciler.beam import Job, run_pipeline  # noqa: PLC0415 - it takes seconds
    except ModuleNotFoundError as missing:
        raise UsageError(
            f"a pipeline needs the package {missing.name}",
            hint="install the extra: pip install 'dicom-reconciler[beam]'",
        ) from missing
    with opened_apply(**given) as options:
        saved = read_reviewed(plan, options)
        if not isinstance(saved, PlanInShards):
            raise UsageError(
                f"{plan} is no plan in shards",
                hint="apply it, or make one with: reconciler plan --shard-size N --out DIR/",
            )
        place = str(options.project.root), options.project.state.absolute
        job = Job(saved, *place, options.service_for(saved), tasks, options.arguments_for(saved))
        (failure, counters), stop = run_pipeline(job, beam_options), Stop()
        if counters:
            say("the tasks: " + ", ".join(f"{one:,} {name}" for name, one in counters.items()))
        if failure is not None:
            say(f"the pipeline has failed: {failure}")
            stop.request(RunState.STOPPED, "the pipeline has failed")
        return apply_plan(saved, options, stop=stop)
