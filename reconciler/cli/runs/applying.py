"""Apply a plan for a command: let signals stop it, and say what it did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from reconciler.api.applying import apply
from reconciler.api.service import provider_of
from reconciler.api.shards.whole import AppliedShards
from reconciler.applying.apply import Applied
from reconciler.applying.stopping import Stop
from reconciler.cli import environment
from reconciler.cli.output.console import report_error, say
from reconciler.cli.runs.planning import PlanRequest
from reconciler.cli.runs.shared import RunOptions, finish
from reconciler.cli.signals import stopped_by_signals
from reconciler.errors import ExitCode, ReconcilerError, Refused
from reconciler.model.desired import QueriedRemoves
from reconciler.model.patient import PatientKey
from reconciler.model.plan import SavedPlan
from reconciler.model.shards.manifest import Manifest
from reconciler.reporting.wording import plural


@dataclass(frozen=True, kw_only=True)
class ApplyOptions(RunOptions):
    """The command line of an apply."""

    auto_approve: bool
    expect_digest: str | None
    require_clean: bool = False
    max_age: timedelta
    patient_key: PatientKey | None = None
    probe: Literal["auto", "retrieve"] = "auto"

    def plan_request(
        self, paths: Sequence[Path] | None, queried: QueriedRemoves | None = None
    ) -> PlanRequest:
        """What a plan is to be made from that is for these options to apply."""
        return PlanRequest(
            paths=paths,
            project=self.project,
            access=self.access,
            max_age=self.max_age,
            listener=self.listener,
            probe=self.probe,
            queried=queried,
        )

    def digest_for(self, saved: SavedPlan | Manifest) -> str:
        """The digest that was reviewed: whoever names none has seen the plan itself."""
        return self.expect_digest if self.expect_digest is not None else saved.digest


def apply_plan(saved: SavedPlan, options: ApplyOptions, refusal: Refused | None = None) -> int:
    """Apply a plan and report; the exit code. ``refusal`` is as of `apply`."""
    stop = Stop()
    provider = provider_of(store.store for store in saved.plan.stores)
    with stopped_by_signals(stop) as signals:
        try:
            applied = apply(
                saved,
                options.project,
                environment.service(options.access, provider),
                digest=options.digest_for(saved),
                refusal=refusal,
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
    bags = [(applied.report.run, bag) for bag in applied.bags]
    return finish_apply("this plan was", applied, bags, options, signals.exit_code)


def finish_apply(
    what: str,
    applied: Applied | AppliedShards,
    bags: Iterable[tuple[str, Path]],
    options: ApplyOptions,
    signalled: ExitCode | None,
) -> int:
    """Say what was done, and report; the exit code. ``bags`` are by run, ``what`` was applied."""
    exit_code = applied.exit_code
    if applied.is_earlier:
        say(f"{what} applied before: nothing was done now, and this is the report")
        if applied.put_back:
            say(f"  put back by a restore since: {plural(applied.put_back, 'instance')}")
        if not applied.report.is_success:
            say("  hint: make a new plan for what is left")
    elif signalled is not None and not applied.report.is_success:
        exit_code = signalled
    for run, bag in bags:
        say(f"archived in {bag}; to undo: reconciler restore {run}")
    return finish(applied.report, options, exit_code)
