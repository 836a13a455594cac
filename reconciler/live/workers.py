"""Threads that do the work of one iterator."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def run_workers(
    items: Iterable[T],
    work: Callable[[T], None],
    *,
    parallelism: int,
    stop: threading.Event | None = None,
    on_break: Callable[[], None] | None = None,
) -> None:
    """Do ``work`` on every item, in as many threads; nothing is held for an item in between.

    A loop over one shared iterator measures faster than a pool of futures and needs no list of
    them. The first exception of ``work`` (or of ``items``) ends the dispatching and is raised
    here, after the work in flight has ended; ``stop`` ends the dispatching without an exception.

    An exception that reaches the waiting thread itself, such as KeyboardInterrupt, ends the
    dispatching too. With ``on_break`` that is called first, so that the work in flight ends soon,
    and its end is waited for; without, what is in flight is left alone.
    """
    waiting = iter(items)
    lock = threading.Lock()
    dismissed = threading.Event()
    ends = [dismissed] if stop is None else [dismissed, stop]
    errors: list[BaseException] = []

    def loop(end: threading.Event) -> None:
        try:
            for item in _pulled(waiting, lock, ends):
                work(item)
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            errors.append(error)
            dismissed.set()
        finally:
            end.set()

    finished = [threading.Event() for _ in range(parallelism)]
    threads = [
        threading.Thread(target=loop, args=(end,), name=f"worker-{number}", daemon=True)
        for number, end in enumerate(finished)
    ]
    try:
        for thread in threads:
            thread.start()
        _wait_for(threads, finished)
    except BaseException:
        dismissed.set()
        if on_break is not None:
            on_break()
            _wait_for(threads, finished)
        raise
    if errors:
        raise errors[0]


def _wait_for(threads: Sequence[threading.Thread], finished: Sequence[threading.Event]) -> None:
    """Wait for those that were started; it can be interrupted, and waited again.

    A `join` that was interrupted takes its thread for ended (https://bugs.python.org/issue45274).
    """
    for thread, end in zip(threads, finished, strict=True):
        if thread.ident is not None:
            end.wait()
            thread.join()


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


def run_ahead(
    items: Iterable[T], work: Callable[[T], R], *, at_a_time: int
) -> Iterator[tuple[T, R]]:
    """Each item with what ``work`` made of it, in order, while the next ones are at work.

    The caller's thread pulls the items. What ``work`` raises is raised in the place of its item;
    what is at work when the caller goes is left alone.
    """
    waiting = iter(items)
    begun: deque[tuple[T, Future[R]]] = deque()

    def fill() -> None:
        for item in islice(waiting, at_a_time - len(begun)):
            result: Future[R] = Future()
            begun.append((item, result))
            threading.Thread(target=_settle, args=(result, work, item), daemon=True).start()

    fill()
    while begun:
        item, result = begun.popleft()
        made = result.result()
        fill()
        yield item, made


def _settle(result: Future[R], work: Callable[[T], R], item: T) -> None:
    try:
        result.set_result(work(item))
    except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
        result.set_exception(error)
