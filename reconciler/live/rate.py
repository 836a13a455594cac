"""How many requests a second all workers send together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_SLOWEST = 0.5  # requests a second: so that a run under a heavy quota still moves
_LEAST_OBSERVED = 10.0  # requests a second: the first ones of a run say little of its rate
_BURST = 1.0  # seconds in which further 429 count as replies to the same burst
_RECOVERY_INTERVAL = 5.0  # seconds without a 429 before the next step up
_RECOVERY_FACTOR = 1.2


class RateLimiter:
    """A limit shared by all workers: halved on 429, slowly back to the cap.

    The provider's quota is shared with clinical traffic, so a 429 slows every worker and not
    only the one that met it. Without a cap the first 429 sets a temporary limit of half of what
    was sent a second; it is lifted when it has grown back. ``stop`` ends every waiting at once:
    the few requests in flight may then end faster than the limit.
    """

    def __init__(
        self,
        max_qps: float | None,
        *,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cap = max_qps
        self._rate = max_qps
        self._ceiling = max_qps or 0.0
        self._stop = stop
        self._clock = clock
        self._lock = threading.Lock()
        self._next_slot = clock()
        self._changed = clock()
        self._halved: float | None = None
        self._meter = _Meter(clock())

    @property
    def rate(self) -> float | None:
        """The limit of this moment in requests a second; None: no limit."""
        return self._rate

    def acquire(self) -> None:
        """Wait for the next free slot."""
        wait = self._reserve()
        if wait > 0:
            self._stop.wait(wait)

    def throttled(self) -> None:
        """Take note of a 429."""
        with self._lock:
            now = self._clock()
            if self._halved is not None and now - self._halved < _BURST:
                return
            if self._rate is None:
                self._rate = self._ceiling = self._meter.per_second(now)
            self._rate = max(self._rate / 2, min(_SLOWEST, self._rate))
            self._halved = self._changed = now
            self._next_slot = max(self._next_slot, now + 1 / self._rate)

    def _reserve(self) -> float:
        with self._lock:
            now = self._clock()
            self._meter.count(now)
            self._recover(now)
            if self._rate is None:
                return 0.0
            slot = max(now, self._next_slot)
            self._next_slot = slot + 1 / self._rate
            return slot - now

    def _recover(self, now: float) -> None:
        if self._rate == self._cap or self._rate is None:
            return
        if now - self._changed < _RECOVERY_INTERVAL:
            return
        self._rate *= _RECOVERY_FACTOR
        self._changed = now
        if self._rate >= self._ceiling:
            self._rate = self._cap


class _Meter:
    """Requests a second, over the last second or two."""

    def __init__(self, now: float) -> None:
        self._start = now
        self._count = 0
        self._last = 0.0

    def count(self, now: float) -> None:
        if now - self._start >= 1:
            self._last = self._count / (now - self._start)
            self._start, self._count = now, 0
        self._count += 1

    def per_second(self, now: float) -> float:
        return max(self._last, self._count / max(now - self._start, 1.0), _LEAST_OBSERVED)
