"""Apply a plan in shards: accept it, lock its stores, apply shard after shard, report once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from reconciler.api import machine
from reconciler.api.applying import note_what_is_known
from reconciler.api.listener import SILENT, Listener
from reconciler.api.loading import read_history
from reconciler.api.preconditions import require_acceptable
from reconciler.api.project import Project
from reconciler.api.recording import note_head, record_nothing_done
from reconciler.api.running import LEASE, STOP_AFTER, reported_results, run_settings
from reconciler.api.service import Service, connect, endpoint_of, provider_of
from reconciler.api.shards.account import Account, standing
from reconciler.api.shards.checking import require_shards
from reconciler.api.shards.lane import Lane
from reconciler.api.shards.order import AppliedShard, Order
from reconciler.api.shards.processes import Around, running_workers
from reconciler.api.unfinished import note_unfinished
from reconciler.applying.run import RunSettings, wanted_locks
from reconciler.applying.stopping import Stop
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.journal.history import History
from reconciler.journal.log import RunLog
from reconciler.journal.state import RUNS, State
from reconciler.live.workers import run_workers
from reconciler.model.outcome import InstanceResult, Operation, RunReport, RunState
from reconciler.model.patient import PatientKey
from reconciler.model.provenance import Requester
from reconciler.model.shards.manifest import Manifest, Shard
from reconciler.model.traffic import Traffic
from reconciler.objects.path import AnyPath
from reconciler.planning.acceptance import require_endpoint
from reconciler.reporting.wording import plural, traffic_line

_BEFORE = "all shards were applied before"
_LEFT_OPEN = "an earlier run of a shard was answered with an operation; it must be looked at"


@dataclass(frozen=True, slots=True)
class AppliedShards:
    """The report of the whole, and the error that ended it early.

    ``is_earlier`` when all shards had been applied before. ``bags`` are where the run of that name
    has archived instances.
    """

    report: RunReport
    error: ReconcilerError | None = None
    is_earlier: bool = False
    bags: tuple[tuple[str, Path], ...] = ()

    @property
    def exit_code(self) -> int:
        """That of the command: a refusal and a lock have a code of their own."""
        if self.error and self.error.exit_code in {ExitCode.REFUSED, ExitCode.LOCKED}:
            return self.error.exit_code
        return ExitCode.SUCCESS if self.report.is_success else ExitCode.INCOMPLETE


def apply_shards(
    manifest: Manifest,
    folder: AnyPath,
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
        stop_after_failures: Of each shard; a shard that stops stops the whole.
        lease: Seconds the locks outlive the last sign of life.
        stop: Ends what is in flight, in every process.
        requester: Who had it done.
        listener: Hears of progress, notes and outcomes.

    Raises:
        ReconcilerError: as `reconciler.apply`, where no shard was applied. What ends it later is
            the ``error`` of the result.
    """
    project.require_believed()

    def accept() -> Order:
        keeps = require_acceptable(
            manifest,
            project,
            digest=digest,
            patient_key=patient_key,
            must_be_clean=require_clean,
            listener=listener,
        )
        return Order(
            manifest,
            str(folder.absolute() if isinstance(folder, Path) else folder),
            project.state.absolute,
            service,
            requester,
            stop_after_failures,
            lease,
            dict(keeps),
            patient_key,
        )

    whole = _Whole(
        manifest,
        manifest.plan.shards if shards is None else tuple(shards),
        project.state,
        service,
        stop or Stop(),
        requester,
        listener,
        run_settings(
            machine.new_run_name(machine.now()),
            parallelism=service.parallelism,
            stop_after=stop_after_failures,
            lease=lease,
        ),
        processes,
        starting,
    )
    return whole.on_record(accept)


@dataclass(frozen=True, slots=True)
class _Whole:
    """One apply of shards of a plan, with all that is around it."""

    manifest: Manifest
    shards: tuple[Shard, ...]
    state: State
    service: Service
    stop: Stop
    requester: Requester | None
    listener: Listener
    settings: RunSettings
    processes: int
    starting: Callable[[], AbstractContextManager[None]]

    def on_record(self, accept: Callable[[], Order]) -> AppliedShards:
        """Do it, and leave a record where nothing was done.

        ``accept`` raises `Refused` where the plan may not go on.
        """
        record_if_nothing = partial(
            record_nothing_done,
            "apply",
            state=self.state,
            run=self.settings.run,
            saved=self.manifest,
            requester=self.requester,
            listener=self.listener,
        )
        try:
            applied = self._apply(accept)
        except ReconcilerError as error:
            record_if_nothing(*(self.stop.ending or (error.exit_code, str(error))))
            raise
        if applied.is_earlier:
            record_if_nothing(applied.exit_code, _BEFORE)
        return applied

    def _apply(self, accept: Callable[[], Order]) -> AppliedShards:
        """Do it; raises what is wrong with the whole, before anything is deleted."""
        manifest, state, listener = self.manifest, self.state, self.listener
        stores = [store.store for store in manifest.plan.stores]
        require_endpoint(manifest, str(endpoint_of(self.service, provider_of(stores))))
        started = machine.now()
        wanted = wanted_locks(
            stores,
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
                return AppliedShards(
                    self._report(account, started, history), is_earlier=bool(account.shards)
                )
            note_what_is_known(manifest, state, history, listener)
            note_unfinished(manifest, state, history, listener)
            self._require_no_operation(account)
            order = accept()
            whole = replace(account, shards=manifest.plan.shards)
            require_shards(order, list(whole.left()), state, history, self.stop, listener)
            self._begin(account, left)
            error, traffic = self._apply_all(left, account, order)
            history = read_history(state, listener)
            if error is not None and not account.is_begun(history, error):
                raise error
            report = self._report(account, started, history, traffic)
        bags = tuple((one.report.run, bag) for one in account.applied.values() for bag in one.bags)
        self._note_end(report)
        return AppliedShards(report, error, bags=bags)

    def _require_no_operation(self, account: Account) -> None:
        for stands in account.before.values():
            if stands.ended is not None and stands.ended.state is RunState.ABORTED:
                self.stop.request(RunState.ABORTED, _LEFT_OPEN)

    def _begin(self, account: Account, left: Sequence[Shard]) -> None:
        shards = plural(len(account.shards), "shard")
        self.listener.note(f"applying {len(left):,} of {shards}")
        self.listener.started(
            Operation.APPLY, self.settings.run, account.planned, saved=self.manifest
        )

    def _apply_all(
        self, left: Sequence[Shard], account: Account, order: Order
    ) -> tuple[ReconcilerError | None, Sequence[Traffic]]:
        """Apply shard after shard until the run stops; the first error, and what was sent."""
        errors: list[ReconcilerError] = []
        total = sum(shard.deletions for shard in left)
        with (
            reported_results("deleting", total, self.listener) as on_result,
            self._lanes(order, on_result) as (apply, traffic),
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

            if self.processes == 1:
                for shard in left:
                    if self.stop.is_requested:
                        break
                    apply_one(shard)
            else:
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
        self, order: Order, on_result: Callable[[InstanceResult], None]
    ) -> Iterator[tuple[Callable[[Shard], AppliedShard], Callable[[], Sequence[Traffic]]]]:
        """What applies one shard, in this process or in a worker, and what says what was sent."""
        note, stop = self.listener.note, self.stop
        with ExitStack() as stack:
            if self.processes == 1:
                connection = stack.enter_context(
                    connect(order.service, order.provider, read_only=False, stop=stop.event)
                )
                lane = Lane(
                    order, order.open_folder(), self.state, connection, stop, on_result, note
                )
                yield lane.apply, lambda: [connection.traffic]
            else:
                around = Around(self.starting, note)
                workers = stack.enter_context(running_workers(order, self.processes, around))
                yield (
                    lambda shard: workers.apply(shard, stop, on_result),
                    lambda: workers.traffic,
                )

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
            self.settings.run,
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
