"""Apply a plan that was reviewed: connect, delete, prove, leave a record whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from reconciler.api import machine
from reconciler.api.archives import require_archives_outside
from reconciler.api.arguments import require_types
from reconciler.api.kept_plan import keep_plan
from reconciler.api.listener import SILENT, Listener
from reconciler.api.other_services import note_other_services
from reconciler.api.preconditions import require_acceptable
from reconciler.api.project import Project
from reconciler.api.recording import record_nothing_done
from reconciler.api.running import LEASE, STOP_AFTER, reported_results, run_settings
from reconciler.api.service import Service, connect, endpoint_of, provider_of
from reconciler.api.unfinished import note_unfinished
from reconciler.applying.apply import Applied, Apply
from reconciler.applying.run import RunSettings
from reconciler.applying.stopping import Breaker, Stop
from reconciler.errors import ReconcilerError, Refused
from reconciler.journal.history import History
from reconciler.journal.state import State
from reconciler.live.connection import Connection
from reconciler.model.address import Provider
from reconciler.model.outcome import Operation
from reconciler.model.patient import PatientKey
from reconciler.model.plan import SavedPlan, Why
from reconciler.model.provenance import Provenance, Requester
from reconciler.model.shards.manifest import Manifest
from reconciler.planning.acceptance import require_endpoint
from reconciler.reporting.wording import traffic_line

_BEFORE = "the plan was applied before"
_NOTHING = "the plan deletes nothing"


def apply(
    plan: SavedPlan,
    project: Project,
    service: Service,
    *,
    digest: str,
    refusal: Refused | None = None,
    require_clean: bool = False,
    patient_key: PatientKey | None = None,
    stop_after_failures: int = STOP_AFTER,
    lease: float = LEASE,
    stop: Stop | None = None,
    requester: Requester | None = None,
    listener: Listener = SILENT,
) -> Applied:
    """Delete what a plan says, prove it and record it. What is deleted cannot be undone.

    Every guard of the command holds: the plan must have the digest, be younger than its age, rest
    on the files as they are, delete nothing that they keep, and pass its gates by what the record
    says and the store shows now. A plan is applied once; called again after an interruption, it
    goes on where it ended. One that does nothing is on record as such.

    Args:
        plan: What `plan` made or `read_plan` read.
        project: Where the record, the locks and the files of the plan are.
        service: How the stores are reached.
        digest: That of the plan which was reviewed, as the reviewer has it.
        refusal: What speaks against it already, such as the reviewer's no. What an earlier run
            left open is settled all the same; then it is raised.
        require_clean: Go on only if the files are those of a git commit, unchanged since the plan.
        patient_key: Put on record whose each instance is, as a pseudonym by this key.
        stop_after_failures: Stop once so many deletions are unconfirmed, or failed in a row;
            10 by default.
        lease: With state in a bucket: so many seconds the locks outlive the last sign of life;
            10 by default.
        stop: Request it from another thread, and what is in flight ends; see `Stop.interrupt`.
        requester: Who had it done, for the record.
        listener: Hears of progress, notes and outcomes.

    Returns:
        The ``report`` with what became of every instance, and the ``exit_code`` of the command.
        What failed is in the report and no exception.

    Raises:
        UsageError: the project was opened with ``only_reads``.
        LockHeld: another run works on one of the stores.
        PlanRefused: the plan is not the reviewed one, or no longer acceptable.
        GatesBlocking: a gate of it is blocking.
        LiveError: a store does not answer, or its caller may not delete.
        JournalError: the journal cannot be read or begun.

    Example:
        >>> project = reconciler.Project.open(folder)
        >>> saved = reconciler.plan(reconciler.load(project=project), project, service)
        >>> applied = reconciler.apply(saved, project, service, digest=saved.digest)
        >>> applied.report.is_success, applied.report.planned
        (True, 2)
    """
    stop = Stop() if stop is None else stop
    require_types(
        plan=plan, project=project, service=service, digest=digest, stop=stop, listener=listener
    )
    project.require_believed()
    work = _Work(plan, project, service, stop, requester, listener)

    def accept(history: History) -> None:
        note_unfinished(plan, project.state, history, listener)
        if refusal is not None:
            raise refusal
        require_acceptable(
            plan,
            project,
            digest=digest,
            patient_key=patient_key,
            must_be_clean=require_clean,
            listener=listener,
        )

    return work.on_record(
        accept, patient_key=patient_key, stop_after=stop_after_failures, lease=lease
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """One apply, with all that is around it."""

    saved: SavedPlan
    project: Project
    service: Service
    stop: Stop
    requester: Requester | None
    listener: Listener

    def on_record(
        self,
        accept: Callable[[History], None],
        *,
        patient_key: PatientKey | None,
        stop_after: int,
        lease: float,
    ) -> Applied:
        """Do it, and leave a record where nothing was done.

        ``accept`` gets the record as it stands before, and raises `Refused` where the plan may not
        go on. What is accepted is kept in the state, so that it can be resumed.
        """
        run = machine.new_run_name(machine.now())
        principal: str | None = None
        record_if_nothing = partial(
            record_nothing_done,
            "apply",
            state=self.project.state,
            run=run,
            saved=self.saved,
            requester=self.requester,
            listener=self.listener,
        )
        settings = run_settings(run, parallelism=self.service.parallelism, lease=lease)
        breaker = Breaker(stop_after, self.stop, Operation.APPLY)
        try:
            self._require_own_place()
            with connect(
                self.service, self._provider, read_only=False, stop=self.stop.event
            ) as connection:
                principal = connection.principal
                applied = self._apply(accept, settings, breaker, patient_key, connection)
        except ReconcilerError as error:
            code, why = self.stop.ending or (error.exit_code, str(error))
            record_if_nothing(code, why, principal=principal)
            raise
        why = _BEFORE if applied.is_earlier else _NOTHING
        record_if_nothing(applied.exit_code, why, principal=principal)
        return applied

    @property
    def _provider(self) -> Provider:
        return provider_of(store.store for store in self.saved.plan.stores)

    def _require_own_place(self) -> None:
        """Find out that the plan is for this service, and keeps apart what it must."""
        require_endpoint(self.saved, str(endpoint_of(self.service, self._provider)))
        require_archives_outside(self.saved.plan, self.project.state)

    def _apply(
        self,
        accept: Callable[[History], None],
        settings: RunSettings,
        breaker: Breaker,
        patient_key: PatientKey | None,
        connection: Connection,
    ) -> Applied:
        """Do it, and let the listener hear of it."""
        saved, state, listener = self.saved, self.project.state, self.listener
        total = saved.plan.count(Why.LISTED)

        def accept_and_begin(history: History) -> None:
            note_what_is_known(saved, state, history, listener)
            accept(history)
            if saved.plan.has_deletions:
                keep_plan(saved, state)
            listener.started(Operation.APPLY, settings.run, total, saved=saved)

        with reported_results("deleting", total, listener) as on_result:
            applied = Apply(
                saved=saved,
                stores={store.store: connection.store(store.store) for store in saved.plan.stores},
                state=state,
                settings=settings,
                nobody=connection.nobody(),
                accept=accept_and_begin,
                stop=self.stop,
                now=machine.now,
                on_result=on_result,
                on_wait=listener.note,
                tried=breaker.record,
                provenance=lambda: Provenance(
                    connection.principal, self.requester, saved.plan.inputs, saved.git
                ),
                patient_key=patient_key,
            ).run()
        if applied.is_earlier:
            return applied
        listener.note(f"sent {traffic_line(connection.traffic)}", is_last=True)
        return replace(applied, report=replace(applied.report, traffic=connection.traffic))


def note_what_is_known(
    saved: SavedPlan | Manifest, state: State, history: History, listener: Listener
) -> None:
    """Say where the record may be another one than that of earlier runs."""
    stores = [store.store for store in saved.plan.stores]
    note_other_services(stores, saved.endpoint, history.stores, listener)
    if saved.plan.has_deletions and not history.runs:
        listener.note(
            f"note: {state} holds no earlier run: if this was not the first one, give the state"
            " of the others (--state; in Python: state=); without their record a plan can be"
            " applied twice until it expires",
            is_last=True,
        )
