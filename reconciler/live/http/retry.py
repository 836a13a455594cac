"""When a read request is tried again, and how long to wait before."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from reconciler.live.http.faults import AttemptError

T = TypeVar("T")

RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""The statuses that the Healthcare API's best practices say to retry."""

_MOST_DOUBLINGS = 60


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Truncated exponential back-off with full jitter; all times in seconds.

    The n-th wait is drawn from 0 to ``first_wait`` times 2ⁿ, at most ``longest_wait``; a server's
    Retry-After is waited for up to ``longest_retry_after``. No attempt starts after ``deadline``.
    """

    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 32.0
    longest_retry_after: float = 60.0
    deadline: float = 120.0

    def wait(self, attempt: int, *, retry_after: float | None, jitter: float) -> float:
        """How long to wait after the ``attempt``-th failure; ``jitter`` lies in [0, 1)."""
        doublings = min(attempt - 1, _MOST_DOUBLINGS)
        backoff = min(self.longest_wait, self.first_wait * 2.0**doublings) * jitter
        return max(backoff, min(retry_after or 0.0, self.longest_retry_after))


class Retrying:
    """Repeats a read request under a policy; ``stop`` ends the waiting and the repeating."""

    def __init__(
        self, policy: RetryPolicy, *, random_source: random.Random, stop: threading.Event
    ) -> None:
        self._policy = policy
        self._random = random_source
        self._stop = stop

    def pause(self, seconds: float) -> bool:
        """Wait; whether the run stops."""
        return self._stop.wait(seconds)

    def call(self, attempt: Callable[[], T]) -> T:
        """Give the first result that ``attempt`` returns.

        Raises:
            AttemptError: the last failure, its message with the number of attempts.
        """
        started = time.monotonic()
        number = 1
        while True:
            try:
                return attempt()
            except AttemptError as error:
                if not self._waits_for_another(error, number, started):
                    raise _given_up(error, number) from error
            number += 1

    def _waits_for_another(self, error: AttemptError, number: int, started: float) -> bool:
        if not error.may_pass or number >= self._policy.attempts:
            return False
        wait = self._policy.wait(
            number, retry_after=error.retry_after, jitter=self._random.random()
        )
        if time.monotonic() + wait > started + self._policy.deadline:
            return False
        return not self._stop.wait(wait)


def _given_up(error: AttemptError, number: int) -> AttemptError:
    plural = "s" if number > 1 else ""
    return AttemptError(
        f"{error} after {number} attempt{plural}",
        hint=error.hint,
        retry_after=error.retry_after,
        may_pass=False,
    )
