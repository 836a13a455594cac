"""How many requests per second all workers send together."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

_SLOWEST = 0.5  # requests per second: so that a run under a heavy quota still moves
_LEAST_OBSERVED = 10.0  # requests per second: the first ones of a run say little of its rate
_BURST = 1.0  # seconds in which further 429 count as replies to the same burst

_REFUSED_NEAR = 0.95
"""From here to the rate that was refused, the limit is felt for in small steps."""
_RETURN = 0.25  # of the refused rate, each second: in two seconds it is near again
_FEEL = 0.005  # of the refused rate, each second: twenty seconds between two refusals
_SEEK = 0.7  # of the rate, each second: twice as much each second while the quota is not known
_EXPLORE = 0.07  # of the rate, each second: beyond what was refused, the quota has changed
_PASSED = 1.02
"""From here on the rate that was refused is no longer the limit."""
_FORGOTTEN = 8.0
"""Without a cap, the limit is dropped when so many times the refused rate went through."""


class RateLimiter:
    """A limit shared by all workers: halved on 429, then back to just below what was refused.

    The provider's quota is shared with clinical traffic, so a 429 slows every worker and not
    only the one that met it. What went through in the second before is taken for the quota: the
    rate falls to half of it at once, returns in two seconds to just below it, and from there
    grows by half a percent per second until the next 429. So it stays near a quota of any size
    with a refusal or two in twenty seconds, and follows one that changes. A 429 within the first
    second says little of the quota, so it is sought by doubling then. Without a cap there is no
    limit before the first 429. ``stop`` ends every waiting at once: the few requests in
    flight may then end faster than the limit.

    ``rate`` is the limit of this moment in requests per second, None for no limit; ``throttled``
    counts the requests that were answered with 429.
    """

    def __init__(
        self,
        max_qps: float | None,
        *,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cap = max_qps
        self.rate = max_qps
        self._refused_at = max_qps or 0.0
        self._stop = stop
        self._clock = clock
        self._lock = threading.Lock()
        self._started = self._next_slot = self._changed = clock()
        self._is_known = False
        self._halved: float | None = None
        self._passed: deque[float] = deque()
        self.throttled = 0

    def acquire(self) -> None:
        """Wait for the next free slot."""
        wait = self._reserve()
        if wait > 0:
            self._stop.wait(wait)

    def passed(self) -> None:
        """Take note of an answer that is no 429."""
        with self._lock:
            now = self._clock()
            self._passed.append(now)
            self._forget_before(now - 1)

    def note_throttled(self) -> None:
        """Take note of a 429."""
        with self._lock:
            self.throttled += 1
            now = self._clock()
            if self._halved is not None and now - self._halved < _BURST:
                return
            self._is_known = now - self._started >= 1
            self._forget_before(now - 1)
            observed = max(float(len(self._passed)), _LEAST_OBSERVED)
            self._refused_at = observed if self.rate is None else min(self.rate, observed)
            self.rate = max(self._refused_at / 2, min(_SLOWEST, self._refused_at))
            self._halved = self._changed = now
            # A quota that was used up within the first second is one of a second, most likely.
            pause = 1 / self.rate if self._is_known else _BURST
            self._next_slot = max(self._next_slot, now + pause)

    def _forget_before(self, moment: float) -> None:
        while self._passed and self._passed[0] < moment:
            self._passed.popleft()

    def _reserve(self) -> float:
        with self._lock:
            now = self._clock()
            self._recover(now)
            if self.rate is None:
                return 0.0
            slot = max(now, self._next_slot)
            self._next_slot = slot + 1 / self.rate
            return slot - now

    def _recover(self, now: float) -> None:
        if self.rate == self._cap or self.rate is None:
            return
        self.rate += self._step(self.rate) * min(now - self._changed, 1.0)
        self._changed = now
        if self._cap is not None:
            self.rate = min(self.rate, self._cap)
        elif self.rate >= _FORGOTTEN * max(self._refused_at, _LEAST_OBSERVED):
            self.rate = None

    def _step(self, rate: float) -> float:
        """By how much the rate grows per second."""
        if not self._is_known:
            return _SEEK * rate
        if rate < _REFUSED_NEAR * self._refused_at:
            return _RETURN * self._refused_at
        if rate < _PASSED * self._refused_at:
            return _FEEL * self._refused_at
        return _EXPLORE * rate
