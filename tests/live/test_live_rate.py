"""The limit that all workers share: the quota is shared with clinical traffic."""

import heapq
import threading
import time
from collections import deque

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
        limited.note_throttled()
    assert limited.rate == pytest.approx(20.0, rel=0.1)
    assert limited.throttled == 64


def test_half_is_half_of_what_went_through_not_of_what_was_allowed(clock: Clock) -> None:
    limited = limiter(clock, 1000.0)
    pass_for(limited, clock, 2, 200)
    limited.note_throttled()
    assert limited.rate == pytest.approx(100.0, rel=0.1)


def test_the_rate_returns_to_just_below_what_was_refused_and_feels_its_way(clock: Clock) -> None:
    limited = limiter(clock, None)
    pass_for(limited, clock, 2, 200)
    limited.note_throttled()
    pass_for(limited, clock, 2.5, 50)
    assert limited.rate == pytest.approx(190, rel=0.03)
    pass_for(limited, clock, 10, 50)
    assert limited.rate == pytest.approx(200, rel=0.03)
    pass_for(limited, clock, 20, 50)
    assert limited.rate > 220  # the quota has grown


def test_the_rate_never_comes_over_the_cap(clock: Clock) -> None:
    limited = limiter(clock, 40.0)
    pass_for(limited, clock, 2, 40)
    limited.note_throttled()
    pass_for(limited, clock, 60, 40)
    assert limited.rate == 40.0


def test_without_a_cap_the_limit_is_dropped_in_the_end(clock: Clock) -> None:
    limited = limiter(clock, None)
    pass_for(limited, clock, 2, 100)
    limited.note_throttled()
    pass_for(limited, clock, 90, 50)
    assert limited.rate is None


class Service:
    """Answers 429 above so many requests in any second, after a latency."""

    def __init__(self, quota: int) -> None:
        self._quota = quota
        self._admitted: deque[float] = deque()
        self.answered: list[float] = []
        self.refused = 0

    def admits(self, now: float) -> bool:
        while self._admitted and now - self._admitted[0] >= 1:
            self._admitted.popleft()
        if len(self._admitted) >= self._quota:
            self.refused += 1
            return False
        self._admitted.append(now)
        self.answered.append(now)
        return True


@pytest.mark.parametrize("quota", [100, 200, 600])
@pytest.mark.parametrize("workers", [16, 32])
def test_it_settles_near_any_quota_with_few_refusals(
    clock: Clock, quota: int, workers: int
) -> None:
    service, began, latency = Service(quota), clock.now, 0.02
    waited: list[float] = []
    stop = threading.Event()
    stop.wait = lambda timeout=None: waited.append(timeout or 0.0)  # type: ignore[method-assign]
    limited = RateLimiter(None, stop=stop, clock=clock)
    turns = [(clock.now, number, "ask") for number in range(workers)]
    while turns[0][0] < began + 60:
        clock.now, worker, step = heapq.heappop(turns)
        if step == "ask":
            waited.clear()
            limited.acquire()
            turn = (clock.now + sum(waited), worker, "send")
        elif step == "send":
            turn = (clock.now + latency, worker, "200" if service.admits(clock.now) else "429")
        else:
            (limited.passed if step == "200" else limited.note_throttled)()
            turn = (clock.now + (0.25 if step == "429" else 0.0), worker, "ask")
        heapq.heappush(turns, turn)
    settled = sum(moment > began + 15 for moment in service.answered) / 45
    assert settled >= 0.9 * quota
    assert service.refused <= 0.02 * (len(service.answered) + service.refused)


def test_the_rate_never_reaches_zero(clock: Clock) -> None:
    limited = limiter(clock, 4.0)
    for _ in range(100):
        clock.now += 2
        limited.note_throttled()
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
