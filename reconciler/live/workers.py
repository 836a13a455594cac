"""Threads that pull their work from one iterator."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

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
    waiting = iter(items)
    lock = threading.Lock()
    dismissed = threading.Event()
    ends = [dismissed] if stop is None else [dismissed, stop]
    errors: list[BaseException] = []

    def loop() -> None:
        try:
            for item in _pulled(waiting, lock, ends):
                work(item)
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            errors.append(error)
            dismissed.set()

    threads = [
        threading.Thread(target=loop, name=f"worker-{number}", daemon=True)
        for number in range(parallelism)
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        dismissed.set()
    if errors:
        raise errors[0]


def _pulled(
    items: Iterator[T], lock: threading.Lock, ends: Sequence[threading.Event]
) -> Iterator[T]:
    """The items for one of the threads, until nothing is left or one of the events is set."""
    while True:
        # An iterator must not be advanced by two threads at once.
        with lock:
            if any(event.is_set() for event in ends):
                return
            try:
                item = next(items)
            except StopIteration:
                return
        yield item
