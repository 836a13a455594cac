"""A worker: a process that applies shards for its coordinator, and ends with it."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from queue import SimpleQueue

from reconciler.api.service import connect
from reconciler.api.shards.lane import Lane
from reconciler.api.shards.order import Order, Reports
from reconciler.applying.apply import Applied
from reconciler.applying.stopping import Stop
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.live.http.shared_rate import SharedMemory
from reconciler.model.outcome import InstanceResult, Outcome, RunState
from reconciler.model.shards.manifest import Shard
from reconciler.model.traffic import Traffic

_GRACE = 4.0
"""Seconds that what is in flight has once the coordinator is gone; its record is valid anyhow."""
_BATCH = 200
_SECONDS = 0.2
"""So many results, or those of so long, are reported at once."""


@dataclass(frozen=True, slots=True)
class StopOrder:
    """Stop as the whole does, and why."""

    state: RunState
    reason: str


@dataclass(frozen=True, slots=True)
class Results:
    """What became of some instances, and of what something was sent for, in their order."""

    results: tuple[InstanceResult | Outcome, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """A line for people."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A shard was applied; ``traffic`` is that of the worker so far."""

    applied: Applied
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class Failed:
    """A shard could not be applied, or the worker could not begin."""

    message: str
    hint: str | None
    exit_code: ExitCode


Message = Results | Noted | Finished | Failed


def work(order: Order, pipe: Pipe, number: int, processes: int, rate: int) -> None:
    """Apply the shards that come through the pipe; the target of the process.

    ``rate`` is the descriptor of the memory that all of the ``processes`` share, of which this one
    has the ``number``, from 0.
    """
    stop = Stop()
    shards: SimpleQueue[Shard | None] = SimpleQueue()
    reporter = _Reporter(pipe)
    threading.Thread(target=_listen, args=(pipe, stop, shards), daemon=True).start()
    try:
        memory = SharedMemory(rate, own=number, processes=processes)
        with connect(
            order.service, order.provider, read_only=False, stop=stop.event, rate_memory=memory
        ) as connection:
            reports = Reports(reporter.add, reporter.add, reporter.note)
            lane = Lane(order, order.open_folder(), order.open_state(), connection, stop, reports)
            while (shard := shards.get()) is not None:
                applied = lane.apply(shard)
                reporter.flush()
                reporter.send(Finished(applied, connection.traffic))
    except ReconcilerError as error:
        reporter.flush()
        reporter.send(Failed(str(error), error.hint, ExitCode(error.exit_code)))


def _listen(pipe: Pipe, stop: Stop, shards: SimpleQueue[Shard | None]) -> None:
    """Take orders until the coordinator ends, or says that this is the end."""
    while True:
        try:
            order = pipe.recv()
        except (EOFError, OSError):
            break
        match order:
            case StopOrder(state, reason):
                stop.request(state, reason)
            case None:
                shards.put(None)
                return
            case _:
                shards.put(order)
    stop.request(RunState.INTERRUPTED, "the process that coordinates the apply has ended")
    shards.put(None)
    time.sleep(_GRACE)
    os._exit(ExitCode.INCOMPLETE)


class _Reporter:
    """Says what became of instances, many at a time."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._results: list[InstanceResult | Outcome] = []
        self._sent = time.monotonic()

    def add(self, result: InstanceResult | Outcome) -> None:
        """Take one; from any thread. What may stop the whole does not wait for others."""
        is_failure = isinstance(result, Outcome) and not result.is_proven
        with self._lock:
            self._results.append(result)
            is_late = time.monotonic() - self._sent >= _SECONDS
            if is_failure or is_late or len(self._results) >= _BATCH:
                self._send_results()

    def note(self, text: str) -> None:
        """Pass on a line for people."""
        self.send(Noted(text))

    def flush(self) -> None:
        """Send what is left."""
        with self._lock:
            self._send_results()

    def send(self, message: Message) -> None:
        """Send a message; nobody may be there any more, which `_listen` finds out."""
        with self._lock:
            self._send(message)

    def _send_results(self) -> None:
        if self._results:
            self._send(Results(tuple(self._results)))
            self._results.clear()
        self._sent = time.monotonic()

    def _send(self, message: Message) -> None:
        with suppress(OSError):
            self._pipe.send(message)
