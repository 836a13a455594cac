"""``reconciler beam``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reconciler.api.service import endpoint_of, provider_of
from reconciler.api.showing import PlanInShards
from reconciler.applying.stopping import Stop
from reconciler.cli.options.path_type import ADDRESS
from reconciler.cli.options.review import review_options
from reconciler.cli.options.shared import project_options
from reconciler.cli.output.console import say
from reconciler.cli.runs.applying import apply_plan, opened_apply
from reconciler.cli.runs.plan_and_apply import read_reviewed
from reconciler.cli.runs.shared import run_options
from reconciler.errors import UsageError
from reconciler.model.outcome import RunState
from reconciler.planning.acceptance import require_endpoint


@click.command(name="beam")
@click.argument("plan", type=ADDRESS)
@click.argument("beam_options", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--tasks",
    type=click.IntRange(1, 1000),
    required=True,
    metavar="N",
    help="Divide the shards into N tasks, one for each worker. --max-qps is the total,"
    " --parallelism is per task.",
)
@review_options
@run_options("Stop a task after N unconfirmed deletions, or N failed in a row.")
@project_options
def command(*, plan: Path | str, beam_options: tuple[str, ...], tasks: int, **given: Any) -> int:
    """Apply a plan in shards on the workers of an Apache Beam pipeline.

    PLAN is the manifest; the arguments after -- are passed to Beam. Every worker must be able to
    read the plan, the project and the state at the same paths or URLs, and uses its own
    credentials. When the pipeline has ended, the command reports all shards and exits as apply
    does. If the pipeline failed, the rest is not attempted; run the same command to resume.

    \b
    Examples:
      reconciler beam plan/plan.json --tasks 2 --max-qps 200 --report report.json \\
        -- --direct_running_mode multi_processing --direct_num_workers 2
    """
    try:
        from reconciler.beam import Job, is_known, run_pipeline  # noqa: PLC0415 - it takes seconds
    except ModuleNotFoundError as missing:
        raise UsageError(
            f"a pipeline needs the package {missing.name}",
            hint="install the extra: pip install 'dicom-reconciler[beam]'",
        ) from missing
    ours = {option for parameter in command.params for option in parameter.opts}
    for option in (one.partition("=")[0] for one in beam_options):
        if option in ours and not is_known(option):
            raise UsageError(
                f"{option} stands after --, where Beam ignores it", hint="write it before the --"
            )
    with opened_apply([plan], **given) as options:
        saved = read_reviewed(plan, options)
        if not isinstance(saved, PlanInShards):
            raise UsageError(
                f"{plan} is not a plan in shards",
                hint="name the DIR/plan.json of: reconciler plan --shard-size N --out DIR/",
            )
        place = str(options.project.root), options.project.state.absolute
        service = options.service_for(saved)
        provider = provider_of(store.store for store in saved.plan.stores)
        require_endpoint(saved, str(endpoint_of(service, provider)))  # it may hold a password
        job = Job(saved, *place, service, tasks, options.arguments_for(saved))
        (failure, counters), stop = run_pipeline(job, beam_options), Stop()
        if counters:
            say("the tasks: " + ", ".join(f"{one:,} {name}" for name, one in counters.items()))
        if failure is not None:
            say(f"the pipeline has failed: {failure}")
            stop.request(RunState.STOPPED, "the pipeline has failed")
        return apply_plan(saved, options, stop=stop)
