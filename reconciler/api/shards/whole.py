"""Apply a plan in shards: accept it, lock its stores, apply shard after shard, report once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeAlias

from reconciler.api import machine
from reconciler.api.applying import note_what_is_known
from reconciler.api.listener import SILENT, Listener
from reconciler.api.loading import read_history
from reconciler.api.preconditions import require_acceptable
from reconciler.api.project import Project
from reconciler.api.recording import note_head, record_nothing_done
from reconciler.api.running import LEASE, STOP_AFTER, reported_results, run_settings
from reconciler.api.service import Service, connect, endpoint_of
from reconciler.api.shards.account import Account, standing
from reconciler.api.shards.checking import require_shards
from reconciler.api.shards.lane import Lane
from reconciler.api.shards.order import AppliedShard, Order, Reports
from reconciler.api.shards.processes import Around, running_workers
from reconciler.api.unfinished import note_unfinished
from reconciler.applying.recall import count_put_back
from reconciler.applying.run import RunSettings, wanted_locks
from reconciler.applying.stopping import Breaker, Stop
from reconciler.errors import ExitCode, LockHeld, PlanFileError, ReconcilerError, Refused
from reconciler.journal.history import History
from reconciler.journal.log import RunLog
from reconciler.journal.records import RestoreStarted
from reconciler.journal.state import RUNS, State
from reconciler.live.connection import Connection
from reconciler.live.workers import run_workers
from reconciler.model.address import StoreAddress
from reconciler.model.desired import Claims
from reconciler.model.outcome import Operation, RunReport, RunState
from reconciler.model.patient import PatientKey
from reconciler.model.provenance import Requester
from reconciler.model.shards.manifest import Manifest, Shard
from reconciler.model.traffic import Traffic
from reconciler.planning.acceptance import require_endpoint
from reconciler.planning.shards.manifest_file import read_shard
from reconciler.reporting.wording import plural, traffic_line

_Accept: TypeAlias = Callable[[Iterable[Shard]], Mapping[StoreAddress, Claims]]

_BEFORE = "all shards were applied before"
_NOTHING = "there is no shard to apply"
_LEFT_OPEN = "an earlier run of a shard was answered with an operation; it must be looked at"


@dataclass(frozen=True, slots=True)
class AppliedShards:
    """The report of the whole, and the error that ended it early.

    ``is_earlier`` and ``put_back`` are as of `Applied`. ``bags`` are where the run of that name has
    archived instances.
    """

    report: RunReport
    error: ReconcilerError | None = None
    is_earlier: bool = False
    put_back: int = 0
    bags: tuple[tuple[str, Path], ...] = ()

    @property
    def exit_code(self) -> int:
        """That of the command: a refusal and a lock have a code of their own."""
        if self.error and self.error.exit_code in {ExitCode.REFUSED, ExitCode.LOCKED}:
            return self.error.exit_code
        return ExitCode.SUCCESS if self.report.is_success else ExitCode.INCOMPLETE


def apply_shards(
    manifest: Manifest,
    folder: Path,
    project: Project,
    service: Service,
    *,
    digest: str,
    shards: Sequence[Shard] | None = None,
    processes: int = 1,
    starting: Callable[[], AbstractContextManager[None]] = nullcontext,
    require_clean: bool = False,
    patient_key: PatientKey | None = None,
    stop_after_failures: int = STOP_AFTER,
    lease: float = LEASE,
    stop: Stop | None = None,
    requester: Requester | None = None,
    listener: Listener = SILENT,
) -> AppliedShards:
    """Apply a plan in shards, as `reconciler.apply` does any other plan.

    Args:
        manifest: What was reviewed.
        folder: Where the manifest lies, with its shards beside it.
        project: As of `reconciler.apply`, and so is all that is not named here.
        service: How the stores are reached. ``parallelism`` is that of each process, ``max_qps``
            that of all.
        digest: That of the manifest which was reviewed.
        shards: Those to apply, of the plan; by default all.
        processes: How many are applied at once, each in a process. These import the main module.
        starting: Each process is started within one such context, so that the caller can keep
            from it what it must not inherit, such as signals.
        require_clean: Go on only if the files are those of a git commit.
        patient_key: The key of the pseudonyms on record.
        stop_after_failures: As of `reconciler.apply`, over all shards and processes.
        lease: Seconds the locks outlive the last sign of life.
        stop: Ends what is in flight, in every process.
        requester: Who had it done.
        listener: Hears of progress, notes and outcomes.

    Raises:
        ReconcilerError: as `reconciler.apply`, where no shard was applied. What ends it later is
            the ``error`` of the result.
    """
    project.require_believed()

    def accept(left: Iterable[Shard]) -> Mapping[StoreAddress, Claims]:
        return require_acceptable(
            manifest,
            project,
            digest=digest,
            patient_key=patient_key,
            must_be_clean=require_clean,
            listener=listener,
            shards=(read_shard(folder, manifest, shard) for shard in left),
        )

    stop = stop or Stop()
    run = machine.new_run_name(machine.now())
    state = project.state
    whole = _Whole(
        Order(
            manifest,
            folder.absolute(),
            state.absolute,
            service,
            requester,
            run,
            lease,
            patient_key=patient_key,
        ),
        manifest.plan.shards if shards is None else tuple(shards),
        state,
        stop,
        Breaker(stop_after_failures, stop, Operation.APPLY),
        listener,
        run_settings(run, parallelism=service.parallelism, lease=lease),
        processes,
        starting,
    )
    return whole.on_record(accept)


@dataclass(frozen=True, slots=True)
class _Whole:
    """One apply of shards of a plan, with all that is around it."""

    order: Order
    shards: tuple[Shard, ...]
    state: State
    stop: Stop
    breaker: Breaker
    listener: Listener
    settings: RunSettings
    processes: int
    starting: Callable[[], AbstractContextManager[None]]

    def on_record(self, accept: _Accept) -> AppliedShards:
        """Do it, and leave a record where nothing was done.

        ``accept`` gets the shards that are left, gives what the files keep, and raises `Refused`
        where the plan may not go on.
        """
        order = self.order
        principal: str | None = None
        record_if_nothing = partial(
            record_nothing_done,
            "apply",
            state=self.state,
            run=order.task,
            saved=order.manifest,
            requester=order.requester,
            listener=self.listener,
        )
        try:
            require_endpoint(order.manifest, str(endpoint_of(order.service, order.provider)))
            with connect(
                order.service, order.provider, read_only=False, stop=self.stop.event
            ) as connection:
                principal = connection.principal
                applied = self._apply(accept, connection)
        except ReconcilerError as error:
            code, why = self.stop.ending or (error.exit_code, str(error))
            record_if_nothing(code, why, principal=principal)
            raise
        if not applied.report.runs:
            why = _BEFORE if applied.is_earlier else self.stop.reason or _NOTHING
            record_if_nothing(applied.exit_code, why, principal=principal)
        return applied

    def _apply(self, accept: _Accept, connection: Connection) -> AppliedShards:
        """Do it; raises what is wrong with the whole, before anything is deleted."""
        manifest, state, listener = self.order.manifest, self.state, self.listener
        started = machine.now()
        wanted = wanted_locks(
            (store.store for store in manifest.plan.stores),
            self.settings,
            started,
            self.stop,
            listener.note,
            manifest=manifest.plan_id,
        )
        with state.hold(wanted):
            history = read_history(state, listener)
            account = Account(manifest, self.shards, standing(history, manifest), {})
            left = list(account.left())
            if not left:
                report = self._report(account, started, history)
                put_back = self._count_put_back(history)
                return AppliedShards(report, is_earlier=bool(self.shards), put_back=put_back)
            note_what_is_known(manifest, state, history, listener)
            note_unfinished(manifest, state, history, listener)
            left_of_all = list(replace(account, shards=manifest.plan.shards).left())
            order = replace(self.order, settles_all=left_of_all[0].number)
            reports = Reports(_ignore, _ignore, listener.note)
            checking = Lane(order, state, connection, self.stop, reports)
            try:
                order = replace(order, keeps=dict(accept(left_of_all)))
                require_shards(order, left_of_all, history, checking, listener)
            except Refused as refusal:
                self._settle(left_of_all, account, checking, refusal)
                raise
            if account.met_operation:
                left = [one for one in left_of_all if one.number in account.met_operation]
            if not left:
                self.stop.request(RunState.ABORTED, _LEFT_OPEN)
            self._begin(account, left)
            error, traffic = self._apply_all(left, account, order, connection)
            history = read_history(state, listener)
            if error is not None and not account.is_begun(history, error):
                raise error
            report = self._report(account, started, history, traffic)
        bags = tuple((one.report.run, bag) for one in account.applied.values() for bag in one.bags)
        self._note_end(report)
        return AppliedShards(report, error, bags=bags)

    def _settle(
        self, left: Sequence[Shard], account: Account, lane: Lane, refusal: Refused
    ) -> None:
        """Let what killed runs left open be settled, as any plan does that is refused."""
        for shard in left:
            is_due = shard.number in account.before or shard.number == lane.order.settles_all
            if is_due and not self.stop.is_requested:
                with suppress(Refused, LockHeld, PlanFileError):
                    replace(lane, stop=Stop()).apply(shard, refusal)  # which stops the run, not us

    def _count_put_back(self, history: History) -> int:
        """As `count_put_back`, of all shards; they are only read where something was restored."""
        if not any(isinstance(read.run.started, RestoreStarted) for read in history.runs):
            return 0
        order = self.order
        return sum(
            count_put_back(read_shard(order.folder, order.manifest, shard), history)
            for shard in self.shards
        )

    def _begin(self, account: Account, left: Sequence[Shard]) -> None:
        shards = plural(len(account.shards), "shard")
        self.listener.note(f"applying {len(left):,} of {shards}")
        self.listener.started(
            Operation.APPLY, self.order.task, account.planned, saved=self.order.manifest
        )

    def _apply_all(
        self, left: Sequence[Shard], account: Account, order: Order, connection: Connection
    ) -> tuple[ReconcilerError | None, Sequence[Traffic]]:
        """Apply shard after shard until the run stops; the first error, and what was sent."""
        errors: list[ReconcilerError] = []
        total = sum(shard.deletions for shard in left)
        with (
            reported_results("deleting", total, self.listener) as on_result,
            self._lanes(
                order, connection, Reports(on_result, self.breaker.record, self.listener.note)
            ) as (apply, traffic),
        ):

            def apply_one(shard: Shard) -> None:
                try:
                    done = apply(shard)
                except ReconcilerError as error:
                    errors.append(error)
                    self.stop.request(RunState.STOPPED, f"shard {shard.number}: {error}")
                    return
                account.applied[shard.number] = done
                self._stop_with(done.report)

            run_workers(
                left,
                apply_one,
                parallelism=self.processes,
                stop=self.stop.event,
                on_break=partial(self.stop.request, RunState.INTERRUPTED, "interrupted"),
            )
            return errors[0] if errors else None, traffic()

    def _stop_with(self, report: RunReport) -> None:
        """What ends a run before its end would end the next one too."""
        if report.state is not RunState.COMPLETED:
            self.stop.request(report.state, report.stopped_because or "a shard was stopped")

    @contextmanager
    def _lanes(
        self, order: Order, connection: Connection, reports: Reports
    ) -> Iterator[tuple[Callable[[Shard], AppliedShard], Callable[[], Sequence[Traffic]]]]:
        """What applies one shard, in this process or in a worker, and what says what was sent."""
        if self.processes == 1:
            lane = Lane(order, self.state, connection, self.stop, reports)
            yield lane.apply, lambda: [connection.traffic]
            return
        around = Around(self.starting, self.stop, reports)
        with running_workers(order, self.processes, around) as workers:
            yield workers.apply, lambda: workers.traffic

    def _report(
        self,
        account: Account,
        started: datetime,
        history: History,
        traffic: Sequence[Traffic] | None = None,
    ) -> RunReport:
        """The report of all shards; without ``traffic``, of what was applied before."""
        is_earlier = traffic is None
        return account.report(
            self.order.task,
            started,
            started if is_earlier else machine.now(),
            self.stop,
            history,
            head=None if is_earlier else self._head(),
            traffic=traffic or (),
        )

    def _head(self) -> str | None:
        latest = RunLog(self.state.objects, RUNS).latest()
        return latest.head if latest else None

    def _note_end(self, report: RunReport) -> None:
        if report.traffic is not None:
            self.listener.note(f"sent {traffic_line(report.traffic)}", is_last=True)
        if report.journal_head is not None:
            note_head(report.journal_head, self.listener)


def _ignore(_: object) -> None:
    """Hear nothing of what is not deleted anyhow."""
