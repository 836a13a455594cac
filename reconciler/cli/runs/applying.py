"""Run an apply from the command line: connect, let signals stop it, say what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from reconciler.applying.apply import Applied, Apply
from reconciler.applying.stopping import Stop
from reconciler.cli import environment
from reconciler.cli.output.console import report_error, say, say_last
from reconciler.cli.runs.archives import require_archives_outside
from reconciler.cli.runs.kept_plan import keep_plan
from reconciler.cli.runs.other_services import note_other_services
from reconciler.cli.runs.planning import PlanRequest
from reconciler.cli.runs.recording import record_nothing_done
from reconciler.cli.runs.shared import RunOptions, finish, reported_results
from reconciler.cli.signals import stopped_by_signals
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.journal.history import History
from reconciler.journal.state import State
from reconciler.live.connection import Connection
from reconciler.live.http.endpoint import Endpoint
from reconciler.model.address import Provider
from reconciler.model.desired import QueriedRemoves
from reconciler.model.outcome import Operation
from reconciler.model.patient import PatientKey
from reconciler.model.plan import SavedPlan, Why
from reconciler.model.provenance import Provenance
from reconciler.planning.acceptance import require_endpoint
from reconciler.reporting.events import start_event
from reconciler.reporting.wording import plural, traffic_line
from reconciler.survey.stages import ProbeMode

_BEFORE = "the plan was applied before"
_NOTHING = "the plan deletes nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions(RunOptions):
    """The command line of an apply."""

    auto_approve: bool
    expect_digest: str | None
    require_clean: bool = False
    max_age: timedelta
    root: Path
    patient_key: PatientKey | None = None
    probe: str = ProbeMode.AUTO.value

    def plan_request(
        self, paths: Sequence[Path], queried: QueriedRemoves | None = None
    ) -> PlanRequest:
        """What a plan is to be made from that is for these options to apply."""
        return PlanRequest(
            paths=paths,
            root=self.root,
            state=self.state,
            access=self.access,
            max_age=self.max_age,
            queried=queried,
            probe=ProbeMode(self.probe),
            events=self.events,
        )


def apply_plan(
    saved: SavedPlan,
    options: ApplyOptions,
    accept: Callable[[History], None],
) -> int:
    """Apply a plan and report; the exit code. One that does nothing is on record as such.

    ``accept`` gets the record as it stands before, and raises `Refused` where the plan may not go
    on. What is accepted is kept in the state folder, so that it can be resumed.
    """
    run = environment.new_run_name(environment.now())
    principal: str | None = None
    record_if_nothing = partial(
        record_nothing_done, "apply", state=options.state, run=run, saved=saved
    )
    stop = Stop()
    with stopped_by_signals(stop) as signals:
        try:
            endpoint = _endpoint(saved, options)
            with environment.connect(
                endpoint,
                options.access,
                provider=_provider(saved),
                read_only=False,
                stop=stop.event,
            ) as connection:
                principal = connection.principal
                applied = _apply(saved, options, accept, run=run, connection=connection, stop=stop)
        except ReconcilerError as error:
            if signals.exit_code is None:
                record_if_nothing(error.exit_code, str(error), principal=principal)
                raise
            report_error(error)
            record_if_nothing(signals.exit_code, stop.reason or "", principal=principal)
            return signals.exit_code
    why = _BEFORE if applied.is_earlier else _NOTHING
    record_if_nothing(applied.exit_code, why, principal=principal)
    return _finish(applied, options, signals.exit_code)


def _provider(saved: SavedPlan) -> Provider:
    return environment.provider_of(store.store for store in saved.plan.stores)


def _endpoint(saved: SavedPlan, options: ApplyOptions) -> Endpoint:
    """Where the service is, once the plan turns out to be for it and to keep apart what it must."""
    endpoint = environment.endpoint(options.access.endpoint, _provider(saved))
    require_endpoint(saved, str(endpoint))
    require_archives_outside(saved.plan, options.state)
    return endpoint


def _note_what_is_known(saved: SavedPlan, state: State, history: History) -> None:
    stores = [store.store for store in saved.plan.stores]
    note_other_services(stores, saved.endpoint, history.stores)
    if saved.plan.has_deletions and not history.runs:
        say_last(
            f"note: {state} holds no earlier run: if this was not the first one, give the --state"
            " of the others; without their record a plan can be applied twice until it expires"
        )


def _apply(
    saved: SavedPlan,
    options: ApplyOptions,
    accept: Callable[[History], None],
    *,
    run: str,
    connection: Connection,
    stop: Stop,
) -> Applied:
    """Do it, and let progress and events report it."""
    total = saved.plan.count(Why.LISTED)

    def accept_and_tell(history: History) -> None:
        _note_what_is_known(saved, options.state, history)
        accept(history)
        if saved.plan.has_deletions:
            keep_plan(saved, options.state)
        options.events.emit([start_event(Operation.APPLY, run, total, saved=saved)])

    with reported_results("deleting", total, options.events) as on_result:
        applied = Apply(
            saved=saved,
            stores={store.store: connection.store(store.store) for store in saved.plan.stores},
            state=options.state,
            settings=options.settings(run),
            nobody=connection.nobody(),
            accept=accept_and_tell,
            stop=stop,
            now=environment.now,
            on_result=on_result,
            on_wait=say,
            provenance=lambda: Provenance(
                connection.principal, environment.requester(), saved.plan.inputs, saved.git
            ),
            patient_key=options.patient_key,
        ).run()
    if applied.is_earlier:
        return applied
    say_last(f"sent {traffic_line(connection.traffic)}")
    return replace(applied, report=replace(applied.report, traffic=connection.traffic))


def _finish(applied: Applied, options: ApplyOptions, signalled: ExitCode | None) -> int:
    exit_code = applied.exit_code
    if applied.is_earlier:
        say("this plan was applied before; this is what came of it, and nothing was done now")
        if applied.put_back:
            say(f"  put back by a restore since: {plural(applied.put_back, 'instance')}")
        if not applied.report.is_success:
            say("  hint: make a new plan for what is left")
    elif signalled is not None and not applied.report.is_success:
        exit_code = signalled
    for bag in applied.bags:
        say(f"archived in {bag}; to undo: reconciler restore {applied.report.run}")
    return finish(applied.report, options, exit_code)
