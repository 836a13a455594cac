"""The limit that all workers share: the quota is shared with clinical traffic."""

import threading
import time

import pytest

from reconciler.live.rate import RateLimiter


class Clock:
    """A monotonic clock that a test moves; the event's waiting moves it too."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class MovingStop(threading.Event):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.now += timeout or 0.0
        return self.is_set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limiter(clock: Clock, max_qps: float | None) -> RateLimiter:
    return RateLimiter(max_qps, stop=MovingStop(clock), clock=clock)


def seconds_for(limited: RateLimiter, clock: Clock, requests: int) -> float:
    started = clock.now
    for _ in range(requests):
        limited.acquire()
    return clock.now - started


def test_requests_are_spaced_to_the_cap(clock: Clock) -> None:
    assert seconds_for(limiter(clock, 10.0), clock, 51) == pytest.approx(5.0)


def test_without_a_cap_nothing_waits(clock: Clock) -> None:
    assert seconds_for(limiter(clock, None), clock, 1000) == 0.0


def test_a_429_halves_the_rate_once_a_burst(clock: Clock) -> None:
    limited = limiter(clock, 40.0)
    for _ in range(64):
        limited.throttled()
    assert limited.rate == 20.0
    clock.now += 1.5
    limited.throttled()
    assert limited.rate == 10.0


def test_the_rate_comes_back_slowly_and_never_over_the_cap(clock: Clock) -> None:
    limited = limiter(clock, 40.0)
    limited.throttled()
    clock.now += 2
    limited.acquire()
    assert limited.rate == 20.0
    rates = []
    for _ in range(20):
        clock.now += 6
        limited.acquire()
        rates.append(limited.rate)
    assert rates[0] == pytest.approx(24.0)
    assert rates == sorted(rates)
    assert rates[-1] == 40.0


def test_without_a_cap_a_429_sets_half_of_what_was_sent_for_a_while(clock: Clock) -> None:
    limited = limiter(clock, None)
    for _ in range(200):
        limited.acquire()
        clock.now += 0.01
    limited.throttled()
    assert limited.rate == pytest.approx(50.0, rel=0.1)
    for _ in range(20):
        clock.now += 6
        limited.acquire()
    assert limited.rate is None


def test_the_rate_never_reaches_zero(clock: Clock) -> None:
    limited = limiter(clock, 4.0)
    for _ in range(100):
        clock.now += 2
        limited.throttled()
    assert limited.rate == 0.5


def test_threads_share_one_limit() -> None:
    limited = RateLimiter(100.0, stop=threading.Event())
    started = time.monotonic()
    threads = [
        threading.Thread(target=lambda: [limited.acquire() for _ in range(5)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started >= 0.38


def test_stop_ends_the_waiting() -> None:
    stop = threading.Event()
    limited = RateLimiter(0.1, stop=stop)
    limited.acquire()
    threading.Timer(0.05, stop.set).start()
    started = time.monotonic()
    limited.acquire()
    assert time.monotonic() - started < 5
