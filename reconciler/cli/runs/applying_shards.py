"""Apply a plan in shards for a command: let signals stop it, and say what it did."""

from __future__ import annotations

from reconciler.api.service import provider_of
from reconciler.api.shards.whole import AppliedShards, apply_shards
from reconciler.applying.stopping import Stop
from reconciler.cli import environment
from reconciler.cli.options.shards import Task
from reconciler.cli.output.console import report_error, say
from reconciler.cli.runs.applying import ApplyOptions
from reconciler.cli.runs.shared import finish
from reconciler.cli.signals import kept_from_children, stopped_by_signals
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.model.shards.manifest import Manifest
from reconciler.objects.path import AnyPath


def apply_shards_of(
    manifest: Manifest, folder: AnyPath, options: ApplyOptions, *, processes: int, task: Task | None
) -> int:
    """Apply the shards of a task, or all, and report; the exit code."""
    stop = Stop()
    provider = provider_of(store.store for store in manifest.plan.stores)
    with stopped_by_signals(stop) as signals:
        try:
            applied = apply_shards(
                manifest,
                folder,
                options.project,
                environment.service(options.access, provider),
                digest=options.digest_for(manifest),
                shards=[one for one in manifest.plan.shards if task is None or task.takes(one)],
                processes=processes,
                starting=kept_from_children,
                require_clean=options.require_clean,
                patient_key=options.patient_key,
                stop_after_failures=options.stop_after_failures,
                lease=options.lease,
                stop=stop,
                requester=environment.requester(),
                listener=options.listener,
            )
        except ReconcilerError as error:
            if signals.exit_code is None:
                raise
            report_error(error)
            return signals.exit_code
    return _finish(applied, options, signals.exit_code)


def _finish(applied: AppliedShards, options: ApplyOptions, signalled: ExitCode | None) -> int:
    exit_code = applied.exit_code
    if applied.error is not None:
        report_error(applied.error)
    if applied.is_earlier:
        say("all shards were applied before; this is their result, and nothing was done now")
        if not applied.report.is_success:
            say("  hint: make a new plan for what is left")
    elif signalled is not None and not applied.report.is_success:
        exit_code = signalled
    for run, bag in applied.bags:
        say(f"archived in {bag}; to undo: reconciler restore {run}")
    return finish(applied.report, options, exit_code)
