"""Fewer requests are in flight while the answers come late, and never fewer than a quarter."""

import threading
import time

from reconciler.live.http.concurrency import ConcurrencyLimit


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def limit_of(clock: Clock, most: int = 32) -> ConcurrencyLimit:
    return ConcurrencyLimit(most, stop=threading.Event(), clock=clock)


def answer(limit: ConcurrencyLimit, clock: Clock, took: float, *, seconds: float = 1.0) -> None:
    """Let requests of one kind be answered, each after so many seconds."""
    end = clock.now + seconds
    while clock.now <= end:
        with limit.one("probe"):
            clock.now += took


def test_steady_answers_change_nothing() -> None:
    clock = Clock()
    limit = limit_of(clock)
    answer(limit, clock, 0.02, seconds=60)
    assert (limit.limit, limit.lowest) == (32, 32)


def test_late_answers_lower_the_limit_to_a_quarter_at_least_and_it_comes_back() -> None:
    clock = Clock()
    limit = limit_of(clock)
    answer(limit, clock, 0.01, seconds=5)
    for _ in range(3):
        for _ in range(22):
            answer_late(limit, clock)
        clock.now += 1
    assert limit.limit < 32
    lowest = limit.lowest
    answer(limit, clock, 0.01, seconds=60)
    assert (limit.limit, limit.lowest) == (32, lowest)
    assert lowest >= 8


def answer_late(limit: ConcurrencyLimit, clock: Clock) -> None:
    with limit.one("probe"):
        clock.now += 0.4


def test_a_store_that_stays_slow_is_taken_as_it_is_in_the_end() -> None:
    clock = Clock()
    limit = limit_of(clock)
    answer(limit, clock, 0.02, seconds=5)
    for _ in range(22 * 200):
        answer_late(limit, clock)
    assert limit.limit == 32
    assert limit.lowest == 8


def test_requests_of_no_kind_are_not_compared() -> None:
    clock = Clock()
    limit = limit_of(clock)
    for took in (0.01, 0.01, 3.0, 5.0):
        for _ in range(30):
            with limit.one(None):
                clock.now += took
    assert limit.lowest == 32


def test_no_more_are_in_flight_than_the_limit() -> None:
    stop = threading.Event()
    limit = ConcurrencyLimit(2, stop=stop)
    inside = most = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with limit.one(None):
                with lock:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.001)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_stop_ends_the_waiting() -> None:
    stop = threading.Event()
    limit = ConcurrencyLimit(1, stop=stop)
    stop.set()
    with limit.one(None), limit.one(None):
        pass
