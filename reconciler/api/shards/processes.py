"""The processes that apply shards side by side, as their coordinator sees them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import DupFd
from queue import SimpleQueue
from typing import Any

from reconciler.api.shards.order import Order, Reports
from reconciler.api.shards.worker import Failed, Finished, Noted, Results, StopOrder, work
from reconciler.applying.apply import Applied
from reconciler.applying.stopping import Stop
from reconciler.errors import ExitCode, LockHeld, ReconcilerError, Refused
from reconciler.live.http.rate import Limit
from reconciler.live.http.shared_rate import opened_memory
from reconciler.model.shards.manifest import Shard
from reconciler.model.traffic import Traffic

_LOOK = 0.02
"""Seconds between looks at whether the whole has stopped; until then a worker goes on."""
_LEAVE = 5.0
"""Seconds that a worker has to end once there is nothing more to do."""


_SIGNALS = {signal.SIGINT, signal.SIGTERM}


class WorkerDiedError(Exception):
    """The process of a worker has ended before its shard did."""


class Worker:
    """A process that applies one shard at a time."""

    def __init__(self, order: Order, number: int, processes: int, rate: int) -> None:
        """Start it; ``rate`` is the descriptor of the file that all of them share.

        Raises:
            ReconcilerError: the machine starts no more processes.
        """
        context = get_context("spawn")  # a fork would copy the threads' locks, and no thread
        self.number = number
        self.traffic: Traffic | None = None
        self._pipe, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(
            target=work,
            args=(order, theirs, number, processes, _Descriptor(rate)),
            name=f"reconciler worker {number + 1}",
            daemon=True,
        )
        try:
            with _kept_from_children():
                self._process.start()
        except (OSError, AssertionError) as error:  # the latter in a process of a pool
            raise ReconcilerError(
                f"a process cannot be started: {getattr(error, 'strerror', None) or error}",
                hint="allow more of them, or give a smaller --processes",
            ) from error
        finally:
            theirs.close()

    def apply(self, shard: Shard, stop: Stop, reports: Reports) -> Applied:
        """Have a shard applied, and wait for that.

        Raises:
            WorkerDiedError: its process has ended.
            ReconcilerError: as `Lane.apply`; the worker has ended then.
        """
        try:
            self._pipe.send(shard)
            knows_of_stop = False
            while True:
                if stop.is_requested and not knows_of_stop:
                    self._pipe.send(StopOrder(stop.state, stop.reason or ""))
                    knows_of_stop = True
                if not self._pipe.poll(_LOOK):
                    continue
                match self._pipe.recv():
                    case Results(results):
                        for result in results:
                            reports.add(result)
                    case Noted(text):
                        reports.note(text)
                    case Finished(applied, traffic):
                        self.traffic = traffic
                        return applied
                    case Failed() as failed:
                        raise _error(failed)
        except (EOFError, OSError) as error:
            raise WorkerDiedError from error

    def end(self) -> None:
        """Let it end, and see to it that it does."""
        with suppress(OSError):
            self._pipe.send(None)
        self._process.join(_LEAVE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()


@contextmanager
def _kept_from_children() -> Iterator[None]:
    """Start processes in this context that no SIGINT or SIGTERM reaches: they are stopped by us.

    A terminal and systemd send them to every process. A process inherits what is blocked in the
    thread that starts it, so it is safe from its first moment.
    """
    resource_tracker.ensure_running()  # multiprocessing starts it first, and unblocks both then
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Descriptor:
    """A file that a process inherits when it is started; there it is the descriptor."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[object]]:
        return _detached, (DupFd(self._number),)


def _detached(descriptor: Any) -> int:
    return int(descriptor.detach())


class Workers:
    """As many workers as shards are applied at once."""

    def __init__(self, order: Order, count: int, rate: int) -> None:
        """Start them."""
        self._order = order
        self._count = count
        self._rate = rate
        self._all = [self._start(number) for number in range(count)]
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        self._spent: list[Traffic] = []
        for worker in self._all:
            self._idle.put(worker)

    @property
    def traffic(self) -> list[Traffic]:
        """What each has sent so far, those that died included."""
        return [*self._spent, *(one.traffic for one in self._all if one.traffic is not None)]

    def apply(self, shard: Shard, stop: Stop, reports: Reports) -> Applied:
        """Have a shard applied by a worker; from as many threads as there are workers.

        Another process takes up what one has left that died.

        Raises:
            ReconcilerError: the shard could not be applied, or both have died.
        """
        worker = self._idle.get()
        try:
            for is_last in (False, True):
                try:
                    return worker.apply(shard, stop, reports)
                except WorkerDiedError:
                    worker = self._replace(worker)
                    if is_last or stop.is_requested:
                        break
                    reports.note(f"a worker has died; another one takes up shard {shard.number}")
        finally:
            self._idle.put(worker)
        raise ReconcilerError(
            f"the process that applied shard {shard.number} has died",
            hint="look for why it ended, then apply again to resume; a script that gives processes="
            ' to apply needs `if __name__ == "__main__":` around what it runs',
        )

    def end(self) -> None:
        """End all of them."""
        for worker in self._all:
            worker.end()

    def _start(self, number: int) -> Worker:
        return Worker(self._order, number, self._count, self._rate)

    def _replace(self, worker: Worker) -> Worker:
        worker.end()
        if worker.traffic is not None:
            self._spent.append(worker.traffic)
        other = self._start(worker.number)
        self._all[worker.number] = other
        return other


@contextmanager
def running_workers(order: Order, count: int) -> Iterator[Workers]:
    """So many workers, with one rate for all of them; they end with the block."""
    limit = Limit.at(time.monotonic(), order.service.max_qps)
    with opened_memory(limit, count) as rate:
        workers = Workers(order, count, rate)
        try:
            yield workers
        finally:
            workers.end()


def _error(failed: Failed) -> ReconcilerError:
    """What a worker raised, by what follows from it."""
    kinds: dict[ExitCode, type[ReconcilerError]] = {
        ExitCode.LOCKED: LockHeld,
        ExitCode.REFUSED: Refused,
    }
    return kinds.get(failed.exit_code, ReconcilerError)(failed.message, hint=failed.hint)
