"""How many requests per second all workers send together."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from math import floor
from typing import Protocol

TICKS = 16
"""In a second: so fine is the count of what went through."""
REMEMBERED = 64  # seconds: a minute, and until it is seen that it is over

_MINUTE = 60.0  # seconds
_SLOWEST = 0.5  # requests per second: so that a run under a heavy quota still moves
_FEW = 10.0  # requests: fewer say little of a rate
_BURST = 1.0  # seconds in which requests leave whose 429 count as replies to the same burst
_USED_UP = 2  # refusals in a row, each at a lower rate, after which the quota counts as used up

_AHEAD = 0.05  # seconds: a slot is taken no earlier, since the rate may change until then
_LATE = 0.25  # seconds: a slot is still taken so late, since a busy machine wakes threads late
_LOOK = 0.25  # seconds: so often is looked whether the next slot has moved

_REFUSED_NEAR = 0.95
"""From here to the rate that was refused, the limit is felt for in small steps."""
_RETURN = 0.25  # of the refused rate, each second: in two seconds it is near again
_FEEL = 0.0025  # of the refused rate, each second: twenty seconds between two refusals
_LEAST_FELT = 2.5  # requests per second: a slower task feels as this one, so that it catches up
_SEEK = 0.7  # of the rate, each second: twice as much each second while the quota is not known
_EXPLORE = 0.07  # of the rate, each second: beyond what was refused, the quota has changed
_PATIENCE = 8.0  # times slower under a quota of a minute: a 429 comes only at its end
_PASSED = 1.02
"""From here on the rate that was refused is no longer the limit."""
_FORGOTTEN = 8.0
"""Without a cap, the limit is dropped when so many times the refused rate went through."""


@dataclass(slots=True)
class Limit:
    """What is known of the quota; times are those of the limiter's clock, in seconds.

    ``rate`` and ``refused_at`` are in requests per second, the latter that of the last 429.
    ``opened`` is when the requests began, or when they passed again after the quota was used up.
    ``next_slot`` is when the next request may leave. ``is_known`` says that a quota was found,
    ``is_of_minute`` that it is counted by the minute. ``in_vain`` counts the refusals since which
    nothing passed.
    """

    rate: float | None
    refused_at: float
    opened: float
    next_slot: float
    changed: float
    halved: float | None = None
    in_vain: int = 0
    is_known: bool = False
    is_of_minute: bool = False

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

    def passed_in(self, ticks: range) -> int:
        """How many were counted in these ticks, of the last `REMEMBERED` seconds at most."""


class OwnMemory:
    """The memory of one process."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._lock = threading.RLock()
        self._passed: Counter[int] = Counter()

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
            self._passed[floor(now * TICKS)] += 1
            if len(self._passed) > REMEMBERED * TICKS:
                del self._passed[next(iter(self._passed))]

    def passed_in(self, ticks: range) -> int:
        """As `Memory`."""
        with self._lock:
            return sum(self._passed[tick] for tick in ticks)


class RateLimiter:
    """A limit shared by all workers: halved on 429, then back to just below what was refused.

    The provider's quota is shared with clinical traffic, so a 429 slows every worker and not
    only the one that met it, and a Retry-After holds up all of them. What went through in the
    second before is taken for the quota: the rate falls to half of it at once, returns in two
    seconds to just below it, and from there grows by a quarter of a percent per second until the
    next 429. So it stays near a quota of any size with a refusal or two in twenty seconds, and
    follows one that changes. A 429 within the first second says little of the quota, so it is
    sought by doubling then. Without a cap there is no limit before the first 429.

    Where nothing passes at the lower rate either, the quota is used up: one request in two seconds
    finds out when it is renewed. If that happens in the first two minutes, or twice within two, it
    is a quota of a minute: what passed in the last one. The rate then grows more slowly, since a
    429 comes only at the end of a minute.

    ``stop`` ends every waiting at once: the few requests in flight may then end faster than the
    limit. ``rate`` is the limit of this moment in requests per second, None for no limit;
    ``throttled`` counts the requests of this process that were answered with 429. With a
    ``memory`` that several processes share, the limit is one for all of them.
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
        self._slowest = _SLOWEST if max_qps is None else min(_SLOWEST, max_qps)
        self._stop = stop
        self._clock = clock
        self._memory = memory or OwnMemory(Limit.at(clock(), max_qps))
        self._turn = threading.Lock()
        self.throttled = 0

    @property
    def rate(self) -> float | None:
        """See the class."""
        return self._memory.rate

    def acquire(self) -> float:
        """Wait for the next free slot; the moment at which it was taken."""
        if self._memory.rate is not None:
            # One by one: of slots taken far ahead, a rate that changes would change nothing.
            with self._turn:
                is_taken = False
                while not is_taken and not self._stop.is_set():
                    is_taken, wait = self.reserve()
                    if wait > 0:
                        self._stop.wait(wait)
        return self._clock()

    def passed(self) -> None:
        """Take note of an answer that is no 429."""
        self._memory.add_passed(self._clock())

    def note_throttled(self, left: float, retry_after: float | None = None) -> None:
        """Take note of an answer that asks for fewer requests: see `Stream.is_throttled`.

        ``left`` is the moment at which its request left, ``retry_after`` in seconds.
        """
        asked = min(retry_after or 0.0, _MINUTE)
        with self._memory.changing() as limit:
            self.throttled += 1
            now = self._clock()
            limit.next_slot = max(limit.next_slot, now + asked)
            if limit.halved is not None and left - limit.halved < _BURST:
                return
            self._reopen(limit, now)
            # What left before may pass for as long as this answer took.
            if limit.halved is None or self._passed_per_second(limit.halved + now - left, now):
                self._halve(limit, now)
            else:
                limit.in_vain += 1
            if asked > _BURST:
                limit.in_vain = _USED_UP
            if limit.in_vain:
                limit.rate = self._slowest
            limit.halved = limit.changed = now
            # A quota that was used up within the first second is one of a second, most likely.
            pause = 1 / (limit.rate or self._slowest) if limit.is_known else _BURST
            limit.next_slot = max(limit.next_slot, now + pause)

    def _halve(self, limit: Limit, now: float) -> None:
        rate = limit.rate or _FEW
        observed = self._passed_per_second(now - max(1.0, _FEW / rate), now)
        limit.is_known |= now - limit.opened >= 1
        if not limit.is_known:
            observed = max(observed, _FEW)
        if limit.halved is not None and limit.opened < limit.halved < now - 2 * _MINUTE:
            limit.is_of_minute = False  # the 429 before was not the end of a minute
        self._return_to(limit, observed if limit.rate is None else min(rate, observed))

    def _reopen(self, limit: Limit, now: float) -> None:
        """Learn from what passed since the last refusal in vain."""
        if limit.halved is None or not limit.in_vain:
            return
        if not self._passed_per_second(limit.halved + _BURST, now):
            return
        quota = limit.refused_at
        if limit.in_vain >= _USED_UP:
            if now - limit.opened < 2 * _MINUTE:
                quota = self._passed_per_second(limit.opened - 1 / TICKS, now)
                limit.is_of_minute = limit.is_known = True
            limit.opened = now
        limit.in_vain = 0
        limit.changed = now
        self._return_to(limit, quota)

    def _return_to(self, limit: Limit, quota: float) -> None:
        limit.refused_at = max(quota, self._slowest)
        limit.rate = max(limit.refused_at / 2, self._slowest)

    def reserve(self) -> tuple[bool, float]:
        """Whether a slot was taken, and how long to wait for it, or before asking again."""
        with self._memory.changing() as limit:
            now = self._clock()
            if now >= limit.next_slot - _AHEAD:
                self._reopen(limit, now)
            self._recover(limit, now)
            if limit.rate is None:
                return True, 0.0
            slot = max(now - _LATE, limit.next_slot)
            if slot > now + _AHEAD:
                return False, min(slot - now - _AHEAD, _LOOK)
            limit.next_slot = slot + 1 / limit.rate
            return True, slot - now

    def _recover(self, limit: Limit, now: float) -> None:
        if limit.rate == self._cap or limit.rate is None or limit.in_vain:
            return
        limit.rate += _step(limit, limit.rate) * min(now - limit.changed, 1.0)
        limit.changed = now
        if self._cap is not None:
            limit.rate = min(limit.rate, self._cap)
        elif limit.rate >= _FORGOTTEN * max(limit.refused_at, _FEW):
            limit.rate = None

    def _passed_per_second(self, since: float, now: float) -> float:
        """How many went through each second, in the last minute at most."""
        first = floor(max(since, now - REMEMBERED) * TICKS) + 1
        passed = self._memory.passed_in(range(first, floor(now * TICKS) + 1))
        return passed / min(max(now - first / TICKS, 1 / TICKS), _MINUTE)


def _step(limit: Limit, rate: float) -> float:
    """By how much the rate grows per second."""
    if not limit.is_known:
        return _SEEK * rate
    if rate < _REFUSED_NEAR * limit.refused_at:
        return _RETURN * limit.refused_at
    patience = _PATIENCE if limit.is_of_minute else 1.0
    if rate < _PASSED * limit.refused_at:
        return _FEEL * max(limit.refused_at, _LEAST_FELT) / patience
    return _EXPLORE * rate / patience
