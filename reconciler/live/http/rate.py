"""How many requests per second all workers send together."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

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


@dataclass(slots=True)
class Limit:
    """What is known of the quota; times are those of the limiter's clock, in seconds.

    ``rate`` and ``refused_at`` are in requests per second, the latter that of the last 429.
    ``next_slot`` is when the next request may leave. ``is_known`` says that a quota was found.
    """

    rate: float | None
    refused_at: float
    began: float
    next_slot: float
    changed: float
    halved: float | None = None
    is_known: bool = False

    @classmethod
    def at(cls, now: float, max_qps: float | None) -> Limit:
        """Before the first request."""
        return cls(max_qps, max_qps or 0.0, now, now, now)


class Memory(Protocol):
    """Where the limit stands: in this process, or in one place for several."""

    @property
    def rate(self) -> float | None:
        """The limit of this moment."""

    def changing(self) -> AbstractContextManager[Limit]:
        """The limit, which nobody else reads or changes meanwhile."""

    def add_passed(self, now: float) -> None:
        """Count an answer that is no 429; may be called from any thread."""

    def passed_since(self, moment: float) -> int:
        """How many were counted since, at most a second ago; asked while the limit is changed."""


class OwnMemory:
    """The memory of one process."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._lock = threading.RLock()
        self._passed: deque[float] = deque()

    @property
    def rate(self) -> float | None:
        """As `Memory`."""
        return self._limit.rate

    @contextmanager
    def changing(self) -> Iterator[Limit]:
        """As `Memory`."""
        with self._lock:
            yield self._limit

    def add_passed(self, now: float) -> None:
        """As `Memory`."""
        with self._lock:
            self._passed.append(now)
            self.passed_since(now - 1)

    def passed_since(self, moment: float) -> int:
        """As `Memory`; those before are forgotten."""
        while self._passed and self._passed[0] < moment:
            self._passed.popleft()
        return len(self._passed)


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
    counts the requests of this process that were answered with 429. With a ``memory`` that several
    processes share, the limit is one for all of them.
    """

    def __init__(
        self,
        max_qps: float | None,
        *,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
        memory: Memory | None = None,
    ) -> None:
        self._cap = max_qps
        self._stop = stop
        self._clock = clock
        self._memory = memory or OwnMemory(Limit.at(clock(), max_qps))
        self.throttled = 0

    @property
    def rate(self) -> float | None:
        """See the class."""
        return self._memory.rate

    def acquire(self) -> None:
        """Wait for the next free slot."""
        if self._memory.rate is None:
            return
        wait = self._reserve()
        if wait > 0:
            self._stop.wait(wait)

    def passed(self) -> None:
        """Take note of an answer that is no 429."""
        self._memory.add_passed(self._clock())

    def note_throttled(self) -> None:
        """Take note of a 429, or of a 503 that asks for a pause."""
        with self._memory.changing() as limit:
            self.throttled += 1
            now = self._clock()
            if limit.halved is not None and now - limit.halved < _BURST:
                return
            limit.is_known = now - limit.began >= 1
            observed = max(float(self._memory.passed_since(now - 1)), _LEAST_OBSERVED)
            limit.refused_at = observed if limit.rate is None else min(limit.rate, observed)
            limit.rate = max(limit.refused_at / 2, min(_SLOWEST, limit.refused_at))
            limit.halved = limit.changed = now
            # A quota that was used up within the first second is one of a second, most likely.
            pause = 1 / limit.rate if limit.is_known else _BURST
            limit.next_slot = max(limit.next_slot, now + pause)

    def _reserve(self) -> float:
        with self._memory.changing() as limit:
            now = self._clock()
            self._recover(limit, now)
            if limit.rate is None:
                return 0.0
            slot = max(now, limit.next_slot)
            limit.next_slot = slot + 1 / limit.rate
            return slot - now

    def _recover(self, limit: Limit, now: float) -> None:
        if limit.rate == self._cap or limit.rate is None:
            return
        limit.rate += _step(limit, limit.rate) * min(now - limit.changed, 1.0)
        limit.changed = now
        if self._cap is not None:
            limit.rate = min(limit.rate, self._cap)
        elif limit.rate >= _FORGOTTEN * max(limit.refused_at, _LEAST_OBSERVED):
            limit.rate = None


def _step(limit: Limit, rate: float) -> float:
    """By how much the rate grows per second."""
    if not limit.is_known:
        return _SEEK * rate
    if rate < _REFUSED_NEAR * limit.refused_at:
        return _RETURN * limit.refused_at
    if rate < _PASSED * limit.refused_at:
        return _FEEL * limit.refused_at
    return _EXPLORE * rate
