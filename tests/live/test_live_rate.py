"""The limit that all workers share: the quota is shared with clinical traffic."""

import threading
import time

import pytest

from reconciler.live.http.rate import RateLimiter


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


def pass_for(limited: RateLimiter, clock: Clock, seconds: float, per_second: float) -> None:
    """Let requests go out and be answered, evenly."""
    end = clock.now + seconds
    while clock.now < end:
        limited.acquire()
        limited.passed()
        clock.now += 1 / per_second


def test_a_429_halves_the_rate_once_a_burst(clock: Clock) -> None:
    limited = limiter(clock, 40.0)
    pass_for(limited, clock, 2, 40)
    for _ in range(64):
        limited.note_throttled(clock.now)
    assert limited.rate == pytest.approx(20.0, rel=0.1)
    assert limited.throttled == 64


def test_half_is_half_of_what_went_through_not_of_what_was_allowed(clock: Clock) -> None:
    limited = limiter(clock, 1000.0)
    pass_for(limited, clock, 2, 200)
    limited.note_throttled(clock.now)
    assert limited.rate == pytest.approx(100.0, rel=0.1)


def test_the_rate_returns_to_just_below_what_was_refused_and_feels_its_way(clock: Clock) -> None:
    limited = limiter(clock, None)
    pass_for(limited, clock, 2, 200)
    limited.note_throttled(clock.now)
    pass_for(limited, clock, 2.5, 50)
    assert limited.rate == pytest.approx(190, rel=0.03)
    pass_for(limited, clock, 10, 50)
    assert limited.rate == pytest.approx(200, rel=0.03)
    pass_for(limited, clock, 20, 50)
    assert limited.rate > 220  # the quota has grown


def test_the_rate_never_comes_over_the_cap(clock: Clock) -> None:
    limited = limiter(clock, 40.0)
    pass_for(limited, clock, 2, 40)
    limited.note_throttled(clock.now)
    pass_for(limited, clock, 60, 40)
    assert limited.rate == 40.0


def test_without_a_cap_the_limit_is_dropped_in_the_end(clock: Clock) -> None:
    limited = limiter(clock, None)
    pass_for(limited, clock, 2, 100)
    limited.note_throttled(clock.now)
    pass_for(limited, clock, 90, 50)
    assert limited.rate is None


@pytest.mark.parametrize(("max_qps", "slowest"), [(4.0, 0.5), (0.2, 0.2)])
def test_the_rate_never_reaches_zero_nor_exceeds_the_cap(
    clock: Clock, max_qps: float, slowest: float
) -> None:
    limited = limiter(clock, max_qps)
    for _ in range(100):
        clock.now += 2
        limited.note_throttled(clock.now)
    assert limited.rate == slowest


def test_a_429_for_what_left_before_the_rate_was_halved_is_of_the_same_burst(clock: Clock) -> None:
    limited = limiter(clock, None)
    pass_for(limited, clock, 2, 200)
    left = clock.now
    limited.note_throttled(left)
    halved = limited.rate
    clock.now += 30
    limited.note_throttled(left)
    assert limited.rate == halved


@pytest.mark.parametrize(("asked", "waited"), [(30.0, 30.0), (3600.0, 60.0)])
def test_a_retry_after_holds_up_every_request_for_a_minute_at_most(
    clock: Clock, asked: float, waited: float
) -> None:
    limited = limiter(clock, None)
    pass_for(limited, clock, 2, 200)
    limited.note_throttled(clock.now, asked)
    assert seconds_for(limited, clock, 1) == pytest.approx(waited)


def test_of_many_that_wait_few_have_taken_a_slot() -> None:
    """Those who have one leave at the old rate, whatever is learned meanwhile."""
    limited = RateLimiter(50.0, stop=threading.Event())
    left = threading.Semaphore(0)
    threads = [
        threading.Thread(target=lambda: (limited.acquire(), left.release())) for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for _ in range(5):
        left.acquire()
    with limited._memory.changing() as limit:
        assert limit.next_slot - time.monotonic() <= 0.1
    limited._stop.set()
    for thread in threads:
        thread.join()


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
