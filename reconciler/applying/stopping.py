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
    """Stops a run after so many consecutive deletions, or restores, that are not proven.

    Many failures in a row are one cause, and more requests would not cure it.
    """

    def __init__(self, limit: int, stop: Stop, *, of: str = "deletions") -> None:
        self._of = of
        self._limit = limit
        self._stop = stop
        self._row = 0
        self._lock = threading.Lock()

    def record(self, outcome: Outcome) -> None:
        """Count one outcome; outcomes of different workers count in the order they end."""
        if outcome is not Outcome.NOT_ATTEMPTED:
            self.count(proven=outcome.is_gone)

    def count(self, *, proven: bool) -> None:
        """Count one that was attempted."""
        with self._lock:
            self._row = 0 if proven else self._row + 1
            broken = self._row >= self._limit
        if broken:
            self._stop.request(
                RunState.STOPPED, f"{self._limit} {self._of} in a row could not be proven"
            )
