"""When an apply stops before its end, and why."""

from __future__ import annotations

import threading

from reconciler.errors import ExitCode
from reconciler.model.outcome import Operation, Outcome, RunState


class Stop:
    """Raised once, seen by all workers; the first reason stands.

    ``event`` is set from then on: no further deletion is dispatched, waits end early, and what
    is in flight finishes.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.state = RunState.COMPLETED
        self.reason: str | None = None
        self.ending: tuple[ExitCode, str] | None = None
        """The exit code and the reason of `interrupt`, once it was called."""
        self._lock = threading.Lock()

    def request(self, state: RunState, reason: str) -> None:
        """Stop; an abort overrides an earlier, milder reason."""
        with self._lock:
            if self.reason is None or _overrides(state, self.state):
                self.state, self.reason = state, reason
        self.event.set()

    def interrupt(
        self, reason: str = "interrupted", exit_code: ExitCode = ExitCode.INTERRUPTED
    ) -> None:
        """Stop on request of the caller: no new request is sent, those in flight complete.

        Only the first call counts. Apply the same plan again to resume.
        """
        self.ending = self.ending or (exit_code, reason)
        self.request(RunState.INTERRUPTED, reason)

    @property
    def is_requested(self) -> bool:
        """Whether nothing more may be dispatched."""
        return self.event.is_set()


def _overrides(new: RunState, old: RunState) -> bool:
    return new is RunState.ABORTED and old is not RunState.ABORTED


class Breaker:
    """Stops a run after so many instances that are not proven.

    Many failures are one cause, and more requests would not cure it. A proof, or a conflict, which
    is a clear answer, ends a row of failures. But an unconfirmed deletion may have removed what
    nobody can prove, and counts until the run ends.
    """

    def __init__(self, limit: int, stop: Stop, operation: Operation) -> None:
        self._limit = limit
        self._stop = stop
        self._is_apply = operation is Operation.APPLY
        self._row = 0
        self._lasting = 0
        self._lock = threading.Lock()

    def record(self, outcome: Outcome) -> None:
        """Count one outcome; outcomes of different workers count in the order they end."""
        if outcome is Outcome.NOT_ATTEMPTED:
            return
        with self._lock:
            if outcome is Outcome.UNCONFIRMED and self._is_apply:
                self._lasting += 1
            elif outcome in _UNPROVEN:
                self._row += 1
            else:
                self._row = 0
            is_broken = self._row + self._lasting >= self._limit
        if is_broken:
            what = "deletions" if self._is_apply else "restores"
            self._stop.request(RunState.STOPPED, f"{self._limit} {what} could not be proven")


_UNPROVEN = frozenset({Outcome.FAILED, Outcome.UNCONFIRMED})
