"""Apply a plan in shards for a command: let signals stop it, and say what it did."""

from __future__ import annotations

from pathlib import Path

from reconciler.api.service import provider_of
from reconciler.api.shards.whole import apply_shards
from reconciler.applying.stopping import Stop
from reconciler.cli import environment
from reconciler.cli.options.shards import Task
from reconciler.cli.output.console import report_error
from reconciler.cli.runs.applying import ApplyOptions, finish_apply
from reconciler.cli.signals import kept_from_children, stopped_by_signals
from reconciler.errors import ReconcilerError
from reconciler.model.shards.manifest import Manifest


def apply_shards_of(
    manifest: Manifest, folder: Path, options: ApplyOptions, *, processes: int, task: Task | None
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
    if applied.error is not None:
        report_error(applied.error)
    return finish_apply("these shards were", applied, applied.bags, options, signals.exit_code)
