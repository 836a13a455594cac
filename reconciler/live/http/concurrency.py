"""How many requests are in flight together: fewer while the answers come late."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from statistics import median

_WINDOW = 1.0  # seconds
_FEWEST_OBSERVED = 20  # answers in a window: fewer say nothing of the store's state
_LATE = 2.0
"""Answers are late when they take so many times as long as the best ones did, and `_SLACK` more."""
_SLACK = 0.1  # seconds
_AGING = 1.05
"""By so much the best grows with each window: a store that stays slow is then taken as it is."""
_DECREASE = 0.7
_SMALLEST_SHARE = 4
"""Never fewer than this part of the most: late answers may have nothing to do with this run."""


class Place:
    """A place that is held in its block; every request has one."""

    __slots__ = ("_began", "_kind", "_limit")

    def __init__(self, limit: ConcurrencyLimit, kind: Hashable | None) -> None:
        self._limit = limit
        self._kind = kind

    def __enter__(self) -> None:
        self._began = self._limit.take()

    def __exit__(self, *_: object) -> None:
        self._limit.give_back(self._kind, self._began)


class ConcurrencyLimit:
    """Additive increase and multiplicative decrease, as TCP does it, on the latency of answers.

    Each second the median of the answers of one kind is compared with the best median so far.
    ``most`` is the number of workers: until answers come late, they hardly ever wait here.
    ``limit`` is how many may be in flight at this moment, ``lowest`` the lowest that it ever was.
    ``stop`` ends every waiting.
    """

    def __init__(
        self,
        most: int,
        *,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self._fewest = max(1, most // _SMALLEST_SHARE)
        self.limit = self.lowest = most
        self._stop = stop
        self._clock = clock
        self._lock = threading.Lock()
        self._left = threading.Condition(self._lock)
        self._waiting = 0
        self._in_flight = 0
        self._window_began = clock()
        self._seconds: dict[Hashable, list[float]] = {}
        self._best: dict[Hashable, float] = {}

    def one(self, kind: Hashable | None) -> Place:
        """A place to be held while a request is sent and its answer begins.

        The answers of one ``kind`` are compared with each other; None for no comparison.
        """
        return Place(self, kind)

    def take(self) -> float:
        """Wait for a place; the moment from which it is taken."""
        with self._lock:
            while self._in_flight >= self.limit and not self._stop.is_set():
                self._waiting += 1
                self._left.wait(_WINDOW)
                self._waiting -= 1
            self._in_flight += 1
        return self._clock()

    def give_back(self, kind: Hashable | None, began: float) -> None:
        """Leave a place, and learn from how long it was taken."""
        with self._lock:
            self._in_flight -= 1
            self._observe(kind, began, self._clock())
            if self._waiting:
                self._left.notify()

    def _observe(self, kind: Hashable, began: float, ended: float) -> None:
        if kind is not None:
            self._seconds.setdefault(kind, []).append(ended - began)
        if ended - self._window_began < _WINDOW:
            return
        seen = {
            kind: median(took)
            for kind, took in self._seconds.items()
            if len(took) >= _FEWEST_OBSERVED
        }
        if seen:
            self._adapt(seen)
            self._window_began, self._seconds = ended, {}

    def _adapt(self, seen: dict[Hashable, float]) -> None:
        is_late = False
        for kind, took in seen.items():
            best = self._best.get(kind, took)
            is_late |= took > _LATE * best + _SLACK
            self._best[kind] = min(took, best * _AGING)
        if is_late:
            self.limit = max(self._fewest, int(self.limit * _DECREASE))
            self.lowest = min(self.lowest, self.limit)
        elif self.limit < self.most:
            self.limit += 1
            self._left.notify_all()
