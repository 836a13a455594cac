"""When an apply stops before its end, and why."""

from __future__ import annotations

import threading

from reconciler.model.outcome import Outcome, RunState


class Stop:
    """Raised once, seen by all workers; the first reason stands.

    ``event`` is set from then on: no further deletion is dispatched, waits end early, and what
    is in flight comes to its end.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.state = RunState.COMPLETED
        self.reason: str | None = None
        self._lock = threading.Lock()

    def request(self, state: RunState, reason: str) -> None:
        """Stop; an abort overrides an earlier, milder reason."""
        with self._lock:
            if self.reason is None or _overrides(state, self.state):
                self.state, self.reason = state, reason
        self.event.set()

    @property
    def is_requested(self) -> bool:
        """Whether nothing more may be dispatched."""
        return self.event.is_set()


def _overrides(new: RunState, old: RunState) -> bool:
    return new is RunState.ABORTED and old is not RunState.ABORTED


class Breaker:
    """Stops a run after so many deletions, or restores, that are not proven.

    Many failures are one cause, and more requests would not cure it. A proof ends a row of
    failures; but an unconfirmed deletion may have removed what nobody can prove, and counts until
    the run ends.
    """

    def __init__(self, limit: int, stop: Stop, *, of: str = "deletions") -> None:
        self._of = of
        self._limit = limit
        self._stop = stop
        self._row = 0
        self._lasting = 0
        self._lock = threading.Lock()

    def record(self, outcome: Outcome) -> None:
        """Count one outcome; outcomes of different workers count in the order they end."""
        if outcome is not Outcome.NOT_ATTEMPTED:
            self.count(proven=outcome.is_gone, lasting=outcome is Outcome.UNCONFIRMED)

    def count(self, *, proven: bool, lasting: bool = False) -> None:
        """Count one that was attempted; no later proof takes back what is ``lasting``."""
        with self._lock:
            if proven:
                self._row = 0
            elif lasting:
                self._lasting += 1
            else:
                self._row += 1
            broken = self._row + self._lasting >= self._limit
        if broken:
            self._stop.request(RunState.STOPPED, f"{self._limit} {self._of} could not be proven")
