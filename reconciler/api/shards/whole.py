"""Apply a plan in shards: accept it, lock its stores, apply shard after shard, report once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from operator import index

from reconciler.api import machine
from reconciler.api.loading import read_history
from reconciler.api.recording import note_head
from reconciler.api.running import AcceptShards, Call, reported_results
from reconciler.api.service import connect, endpoint_of, provider_of
from reconciler.api.shards.account import Account, standing
from reconciler.api.shards.checking import require_shards
from reconciler.api.shards.lane import Lane
from reconciler.api.shards.order import Order, Reports
from reconciler.api.shards.processes import running_workers
from reconciler.applying.apply import Applied
from reconciler.applying.recall import count_put_back
from reconciler.applying.run import wanted_locks
from reconciler.applying.stopping import Stop
from reconciler.errors import (
    ExitCode,
    LockHeld,
    PlanFileError,
    ReconcilerError,
    Refused,
    UsageError,
)
from reconciler.journal.history import History
from reconciler.journal.log import RunLog
from reconciler.journal.records import RestoreStarted
from reconciler.journal.state import RUNS
from reconciler.live.connection import Connection
from reconciler.live.workers import run_workers
from reconciler.model.outcome import InstanceResult, Operation, RunReport, RunState
from reconciler.model.shards.manifest import Manifest, Shard
from reconciler.model.traffic import Traffic
from reconciler.objects.path import open_folder
from reconciler.outside_memory import temporary_database
from reconciler.planning.acceptance import require_endpoint
from reconciler.planning.shards.manifest_file import read_shard
from reconciler.reporting.wording import plural, traffic_line

_LEFT_OPEN = "an earlier run of a shard was answered with an operation; it must be looked at"


def chosen_shards(manifest: Manifest, numbers: Collection[int] | None) -> tuple[Shard, ...]:
    """The shards of these numbers, by default all.

    Raises:
        UsageError: there is no such shard.
        TypeError: one is no whole number.
    """
    shards = manifest.plan.shards
    if numbers is None:
        return shards
    chosen = sorted({*map(index, numbers)})
    wrong = [number for number in chosen if not 1 <= number <= len(shards)]
    if wrong:
        raise UsageError(
            f"the plan has no shard {wrong[0]}", hint=f"its shards are 1 to {len(shards)}"
        )
    return tuple(shards[number - 1] for number in chosen)


def apply_shards(  # noqa: PLR0917 - what `reconciler.apply` has at hand
    manifest: Manifest,
    folder: str,
    shards: tuple[Shard, ...],
    processes: int,
    call: Call,
    accept: AcceptShards,
) -> Applied:
    """Apply these shards of the plan whose manifest lies in ``folder``.

    Raises:
        ReconcilerError: as `reconciler.apply`, where no shard was applied. What ends it later is
            the ``error`` of the result.
    """
    return _Whole(manifest, folder, shards, processes, call).apply(accept)


@dataclass(frozen=True, slots=True)
class _Whole:
    """One apply of shards of a plan, with all that is around it."""

    manifest: Manifest
    folder: str
    shards: tuple[Shard, ...]
    processes: int
    call: Call

    def apply(self, accept: AcceptShards) -> Applied:
        """Do it; raises what is wrong with the whole, before anything is deleted."""
        call, manifest = self.call, self.manifest
        stores = [store.store for store in manifest.plan.stores]
        provider = provider_of(stores)
        require_endpoint(manifest, str(endpoint_of(call.service, provider)))
        with connect(call.service, provider, read_only=False, stop=call.stop.event) as connection:
            call.principal = connection.principal
            return self._apply(accept, connection)

    def _apply(self, accept: AcceptShards, connection: Connection) -> Applied:
        manifest, state, listener = self.manifest, self.call.state, self.call.listener
        started = machine.now()
        wanted = wanted_locks(
            (store.store for store in manifest.plan.stores),
            self.call.settings,
            started,
            self.call.stop,
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
                is_earlier = bool(self.shards)
                return Applied(report, _exit_code(report), is_earlier=is_earlier, put_back=put_back)
            left_of_all = list(replace(account, shards=manifest.plan.shards).left())
            lane = self._lane(connection, settles_all=left_of_all[0].number)
            try:
                with temporary_database() as database:
                    keeps = accept(history, map(lane.read, left_of_all), database)
                    require_shards(left_of_all, keeps, history, lane, listener)
            except Refused as refusal:
                self._settle(left_of_all, account, lane, refusal)
                raise
            if account.met_operation:
                left = [one for one in left_of_all if one.number in account.met_operation]
            if not left:
                self.call.stop.request(RunState.ABORTED, _LEFT_OPEN)
            self._begin(account, left)
            error, traffic = self._apply_all(left, account, lane)
            history = read_history(state, listener)
            if error is not None and not account.is_begun(history, error):
                raise error
            report = self._report(account, started, history, traffic)
        bags = tuple(bag for one in account.applied.values() for bag in one.bags)
        self._note_end(report)
        return Applied(report, _exit_code(report, error), bags=bags, error=error)

    def _lane(self, connection: Connection, *, settles_all: int) -> Lane:
        """What applies shards in this process, without a report of any."""
        call, settings = self.call, self.call.settings
        order = Order(
            self.manifest,
            self.folder,
            call.state.absolute,
            call.service,
            call.requester,
            settings.run,
            settings.lease,
            settles_all,
            call.patient_key,
        )
        reports = Reports(lambda _: None, call.tried, call.listener.note)
        return Lane(order, order.open_folder(), call.state, connection, call.stop, reports)

    def _settle(
        self, left: Sequence[Shard], account: Account, lane: Lane, refusal: Refused
    ) -> None:
        """Settle what killed runs left open, as any plan does that is refused."""
        for shard in left:
            is_due = shard.number in account.before or shard.number == lane.order.settles_all
            if is_due and not self.call.stop.is_requested:
                own = replace(lane, stop=Stop())  # a refusal stops its run, and not the others
                with suppress(Refused, LockHeld, PlanFileError):
                    own.apply(shard, refusal)

    def _count_put_back(self, history: History) -> int:
        """As `count_put_back`, of all shards; they are only read where something was restored."""
        if not any(isinstance(read.run.started, RestoreStarted) for read in history.runs):
            return 0
        folder = open_folder(self.folder)
        return sum(
            count_put_back(read_shard(folder, self.manifest, shard), history)
            for shard in self.shards
        )

    def _begin(self, account: Account, left: Sequence[Shard]) -> None:
        shards = plural(len(account.shards), "shard")
        self.call.listener.note(f"applying {len(left):,} of {shards}")
        self.call.listener.started(
            Operation.APPLY, self.call.settings.run, account.planned, saved=self.manifest
        )

    def _apply_all(
        self, left: Sequence[Shard], account: Account, lane: Lane
    ) -> tuple[ReconcilerError | None, Sequence[Traffic]]:
        """Apply shard after shard until the run stops; the first error, and what was sent."""
        errors: list[ReconcilerError] = []
        total = sum(shard.deletions for shard in left)
        with (
            reported_results("deleting", total, self.call.listener) as on_result,
            self._lanes(lane, on_result) as (apply, traffic),
        ):

            def apply_one(shard: Shard) -> None:
                try:
                    done = apply(shard)
                except ReconcilerError as error:
                    errors.append(error)
                    self.call.stop.request(RunState.STOPPED, f"shard {shard.number}: {error}")
                    return
                account.applied[shard.number] = done
                self._stop_with(done.report)

            run_workers(
                left,
                apply_one,
                parallelism=self.processes,
                stop=self.call.stop.event,
                on_break=partial(self.call.stop.request, RunState.INTERRUPTED, "interrupted"),
            )
            return errors[0] if errors else None, traffic()

    def _stop_with(self, report: RunReport) -> None:
        """What ends a run before its end would end the next one too."""
        if report.state is not RunState.COMPLETED:
            self.call.stop.request(report.state, report.stopped_because or "a shard was stopped")

    @contextmanager
    def _lanes(
        self, lane: Lane, on_result: Callable[[InstanceResult], None]
    ) -> Iterator[tuple[Callable[[Shard], Applied], Callable[[], Sequence[Traffic]]]]:
        """What applies one shard, in this process or in a worker, and what says what was sent."""
        reports = replace(lane.reports, on_result=on_result)
        if self.processes == 1:
            yield replace(lane, reports=reports).apply, lambda: [lane.connection.traffic]
            return
        with running_workers(lane.order, self.processes) as workers:
            yield (
                lambda shard: workers.apply(shard, lane.stop, reports),
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
            self.call.settings.run,
            started,
            started if is_earlier else machine.now(),
            self.call.stop,
            history,
            head=None if is_earlier else self._head(),
            traffic=traffic or (),
        )

    def _head(self) -> str | None:
        latest = RunLog(self.call.state.objects, RUNS).latest()
        return latest.head if latest else None

    def _note_end(self, report: RunReport) -> None:
        if report.traffic is not None:
            self.call.listener.note(f"sent {traffic_line(report.traffic)}", is_last=True)
        if report.journal_head is not None:
            note_head(report.journal_head, self.call.listener)


def _exit_code(report: RunReport, error: ReconcilerError | None = None) -> ExitCode:
    """That of the command: a refusal and a lock have a code of their own."""
    if error is not None and error.exit_code in {ExitCode.REFUSED, ExitCode.LOCKED}:
        return error.exit_code
    return ExitCode.SUCCESS if report.is_success else ExitCode.INCOMPLETE
