"""Asks many questions at a time, and says how far it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from reconciler.errors import LiveError
from reconciler.live.workers import run_workers

T = TypeVar("T")

ProgressCallback = Callable[[int, int], None]
"""Called with how many questions are answered, and how many are known of so far."""


class Asking:
    """How the questions of one survey are asked: so many at a time, until ``stop`` is set."""

    def __init__(
        self,
        parallelism: int,
        on_progress: ProgressCallback | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._parallelism = parallelism
        self._progress = _Progress(on_progress)
        self._stop = stop

    def ask(self, items: Iterable[T], question: Callable[[T], object], count: int) -> None:
        """Ask ``question`` of each of so many items.

        Raises:
            LiveError: ``stop`` was set before the end.
        """

        def ask(item: T) -> None:
            question(item)
            self._progress.step()

        self._progress.expect(count)
        workers = min(self._parallelism, count)
        run_workers(items, ask, parallelism=workers, stop=self._stop)
        if self._stop is not None and self._stop.is_set():
            raise LiveError("interrupted before the whole store was looked at")


class _Progress:
    """Counts under a lock, since every worker reports."""

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._lock = threading.Lock()
        self._done = 0
        self._total = 0

    def expect(self, count: int) -> None:
        with self._lock:
            self._total += count
            self._report()

    def step(self) -> None:
        with self._lock:
            self._done += 1
            self._report()

    def _report(self) -> None:
        if self._callback is not None:
            self._callback(self._done, self._total)
