"""Apply a plan in shards: accept it, hold its stores, apply shard after shard, account once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reconciler.applying.run import wanted_locks
from reconciler.applying.stopping import Stop
from reconciler.cli import environment
from reconciler.cli.output.console import report_error, say, say_head, say_last
from reconciler.cli.runs.applying import ApplyOptions
from reconciler.cli.runs.other_services import note_other_services
from reconciler.cli.runs.preconditions import require_acceptable
from reconciler.cli.runs.reading import read_history
from reconciler.cli.runs.recording import record_nothing_done
from reconciler.cli.runs.shared import finish, reported_results
from reconciler.cli.shards.account import Account, standing
from reconciler.cli.shards.chosen import Task
from reconciler.cli.shards.lane import Lane, connect
from reconciler.cli.shards.order import Applied, Order
from reconciler.cli.shards.processes import running_workers
from reconciler.cli.signals import stopped_by_signals
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.journal.log import RunLog
from reconciler.journal.state import RUNS
from reconciler.live.workers import run_workers
from reconciler.model.address import StoreAddress
from reconciler.model.desired import Claims
from reconciler.model.outcome import InstanceResult, Operation, RunReport, RunState
from reconciler.model.shards.manifest import Manifest, Shard
from reconciler.model.traffic import Traffic
from reconciler.planning.acceptance import require_endpoint
from reconciler.reporting.events import start_event
from reconciler.reporting.wording import plural, traffic_line

_BEFORE = "all shards were applied before"
_LEFT_OPEN = "an earlier run of a shard was answered with an operation; it must be looked at"


@dataclass(frozen=True, slots=True)
class _Ended:
    """The report of the whole, and the error that ended it early."""

    report: RunReport
    error: ReconcilerError | None
    is_earlier: bool
    bags: tuple[tuple[str, Path], ...]


def apply_shards(
    manifest: Manifest, folder: Path, options: ApplyOptions, *, processes: int, task: Task | None
) -> int:
    """Apply the shards of a task, or all, and report; the exit code."""
    run = environment.new_run_name(environment.now())
    record_if_nothing = partial(
        record_nothing_done, "apply", state=options.state, run=run, saved=manifest
    )
    stop = Stop()
    with stopped_by_signals(stop) as signals:
        try:
            ended = _Whole(manifest, folder, options, run, stop, processes, task).apply()
        except ReconcilerError as error:
            if signals.exit_code is None:
                record_if_nothing(error.exit_code, str(error))
                raise
            report_error(error)
            record_if_nothing(signals.exit_code, stop.reason or "")
            return signals.exit_code
    if ended.is_earlier:
        record_if_nothing(
            ExitCode.SUCCESS if ended.report.is_success else ExitCode.INCOMPLETE, _BEFORE
        )
    return _finish(ended, options, signals.exit_code)


def _finish(ended: _Ended, options: ApplyOptions, signalled: ExitCode | None) -> int:
    report = ended.report
    exit_code = ExitCode.SUCCESS if report.is_success else ExitCode.INCOMPLETE
    if ended.error is not None:
        report_error(ended.error)
        if ended.error.exit_code in {ExitCode.REFUSED, ExitCode.LOCKED}:
            exit_code = ExitCode(ended.error.exit_code)
    if signalled is not None and not report.is_success:
        exit_code = signalled
    if ended.is_earlier:
        say(f"{_BEFORE}; this is what came of them, and nothing was done now")
        if not report.is_success:
            say("  hint: make a new plan for what is left")
    for run, bag in ended.bags:
        say(f"archived in {bag}; to undo: reconciler restore {run}")
    if report.traffic is not None:
        say_last(f"sent {traffic_line(report.traffic)}")
    if report.journal_head is not None:
        say_head(report.journal_head)
    return finish(report, options, exit_code)


@dataclass(frozen=True, slots=True)
class _Whole:
    """One command over the shards of a plan."""

    manifest: Manifest
    folder: Path
    options: ApplyOptions
    run: str
    stop: Stop
    processes: int
    task: Task | None

    def apply(self) -> _Ended:
        """Do it; raises what stands against the whole, before anything is deleted."""
        manifest, options, stop = self.manifest, self.options, self.stop
        started = environment.now()
        provider = environment.provider_of(store.store for store in manifest.plan.stores)
        require_endpoint(manifest, str(environment.endpoint(options.access.endpoint, provider)))
        wanted = wanted_locks(
            (store.store for store in manifest.plan.stores),
            options.settings(self.run),
            started,
            stop,
            say,
            manifest=manifest.plan_id,
        )
        with options.state.hold(wanted):
            history = read_history(options.state)
            note_other_services(
                [store.store for store in manifest.plan.stores], manifest.endpoint, history.stores
            )
            account = Account(manifest, self._chosen(), standing(history, manifest), {})
            left = list(account.left())
            if not left:
                report = account.report(
                    self.run, started, started, stop, history, head=None, traffic=()
                )
                return _Ended(report, None, is_earlier=bool(account.shards), bags=())
            self._require_no_operation(account)
            keeps = require_acceptable(manifest, options)
            self._say(account, len(left))
            error, traffic = self._apply_all(left, account, self._order(keeps))
            if error is not None and not account.applied:
                raise error
            report = account.report(
                self.run,
                started,
                environment.now(),
                stop,
                read_history(options.state),
                head=self._head(),
                traffic=traffic,
            )
        bags = ((done.report.run, bag) for done in account.applied.values() for bag in done.bags)
        return _Ended(report, error, is_earlier=False, bags=tuple(bags))

    def _chosen(self) -> tuple[Shard, ...]:
        task = self.task
        return tuple(one for one in self.manifest.plan.shards if task is None or task.takes(one))

    def _require_no_operation(self, account: Account) -> None:
        for stands in account.before.values():
            if stands.ended is not None and stands.ended.state is RunState.ABORTED:
                self.stop.request(RunState.ABORTED, _LEFT_OPEN)

    def _say(self, account: Account, left: int) -> None:
        whose = f" of task {self.task}" if self.task else ""
        say(f"applying {left:,} of {plural(len(account.shards), 'shard')}{whose}")
        self.options.events.emit(
            [start_event(Operation.APPLY, self.run, account.planned, saved=self.manifest)]
        )

    def _order(self, keeps: Mapping[StoreAddress, Claims]) -> Order:
        options = self.options
        return Order(
            self.manifest,
            self.folder.absolute(),
            options.state.absolute,
            options.access,
            options.stop_after_failures,
            options.lease,
            dict(keeps),
            options.patient_key,
        )

    def _apply_all(
        self, left: list[Shard], account: Account, order: Order
    ) -> tuple[ReconcilerError | None, list[Traffic]]:
        """Apply shard after shard until the run stops; the first error, and what was sent."""
        errors: list[ReconcilerError] = []
        total = sum(shard.deletions for shard in left)
        with (
            reported_results("deleting", total, self.options.events) as on_result,
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
                run_workers(left, apply_one, parallelism=self.processes, stop=self.stop.event)
            return errors[0] if errors else None, traffic()

    def _stop_with(self, report: RunReport) -> None:
        """What ends a run before its end would end the next one too."""
        if report.state is not RunState.COMPLETED:
            self.stop.request(report.state, report.stopped_because or "a shard was stopped")

    @contextmanager
    def _lanes(
        self, order: Order, on_result: Callable[[InstanceResult], None]
    ) -> Iterator[tuple[Callable[[Shard], Applied], Callable[[], list[Traffic]]]]:
        """What applies one shard, in this process or in a worker, and what says what was sent."""
        with ExitStack() as stack:
            if self.processes == 1:
                connection = stack.enter_context(connect(order, self.stop))
                lane = Lane(order, self.options.state, connection, self.stop, on_result)
                yield lane.apply, lambda: [connection.traffic]
            else:
                workers = stack.enter_context(running_workers(order, self.processes))
                yield (
                    lambda shard: workers.apply(shard, self.stop, on_result),
                    lambda: workers.traffic,
                )

    def _head(self) -> str | None:
        latest = RunLog(self.options.state.objects, RUNS).latest()
        return latest.head if latest else None
