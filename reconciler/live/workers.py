"""Threads that pull their work from one iterator."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


def run_workers(
    items: Iterable[T],
    work: Callable[[T], None],
    *,
    parallelism: int,
    stop: threading.Event | None = None,
) -> None:
    """Do ``work`` on every item, in as many threads; nothing is held for an item in between.

    A loop over one shared iterator measures faster than a pool of futures and needs no list of
    them. The first exception of ``work`` (or of ``items``) ends the dispatching and is raised
    here, after the work in flight has ended; ``stop`` ends the dispatching without an exception.
    """
    crew = _Crew(iter(items), work, stop)
    threads = [
        threading.Thread(target=crew.loop, name=f"worker-{number}", daemon=True)
        for number in range(parallelism)
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        crew.dismiss()
    if crew.error is not None:
        raise crew.error


class _Crew(Generic[T]):
    """What the threads of one call share."""

    def __init__(
        self, items: Iterator[T], work: Callable[[T], None], stop: threading.Event | None
    ) -> None:
        self.error: BaseException | None = None
        self._items = items
        self._work = work
        self._stop = stop
        self._lock = threading.Lock()
        self._dismissed = False

    def dismiss(self) -> None:
        """Let every thread end after the item in its hands."""
        self._dismissed = True

    def loop(self) -> None:
        """Pull and work until nothing is left or someone failed."""
        try:
            for item in self._pulled():
                self._work(item)
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            self.error = self.error or error
            self.dismiss()

    def _pulled(self) -> Iterator[T]:
        while True:
            # An iterator must not be advanced by two threads at once.
            with self._lock:
                if self._dismissed or (self._stop is not None and self._stop.is_set()):
                    return
                try:
                    item = next(self._items)
                except StopIteration:
                    return
            yield item
