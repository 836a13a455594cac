"""How long and how often a read request is repeated."""

import random
import threading
import time

import pytest

from reconciler.live.http.faults import AttemptError
from reconciler.live.http.retry import Retrying, RetryPolicy

QUICK = RetryPolicy(attempts=4, first_wait=0.0)


def retrying(policy: RetryPolicy, stop: threading.Event | None = None) -> Retrying:
    return Retrying(policy, random_source=random.Random(1), stop=stop or threading.Event())


@pytest.mark.parametrize(
    ("attempt", "retry_after", "jitter", "expected"),
    [
        (1, None, 0.5, 0.5),
        (2, None, 0.5, 1.0),
        (3, None, 0.5, 2.0),
        (3, None, 0.0, 0.0),
        (30, None, 0.5, 4.0),
        (1, 5.0, 0.5, 5.0),
        (1, 3600.0, 0.5, 20.0),
        (4, 1.0, 0.5, 4.0),
    ],
)
def test_the_wait_grows_is_jittered_and_capped(
    attempt: int, retry_after: float | None, jitter: float, expected: float
) -> None:
    policy = RetryPolicy(first_wait=1.0, longest_wait=8.0, longest_retry_after=20.0)
    assert policy.wait(attempt, retry_after=retry_after, jitter=jitter) == expected


def failing(times: int, **options: object):
    failures = iter(range(times))
    calls = []

    def attempt() -> str:
        calls.append(1)
        if next(failures, None) is not None:
            raise AttemptError("HTTP 503", **options)
        return "answer"

    return attempt, calls


def test_a_passing_failure_is_repeated() -> None:
    attempt, calls = failing(3)
    assert retrying(QUICK).call(attempt) == "answer"
    assert len(calls) == 4


def test_the_last_failure_says_how_often_it_was_tried() -> None:
    attempt, calls = failing(99)
    with pytest.raises(AttemptError, match=r"^HTTP 503 after 4 attempts$"):
        retrying(QUICK).call(attempt)
    assert len(calls) == 4


def test_what_cannot_pass_is_not_repeated() -> None:
    attempt, calls = failing(99, may_pass=False)
    with pytest.raises(AttemptError, match=r"after 1 attempt$"):
        retrying(QUICK).call(attempt)
    assert len(calls) == 1


def test_no_attempt_starts_after_the_deadline() -> None:
    attempt, calls = failing(99, retry_after=30.0)
    started = time.monotonic()
    with pytest.raises(AttemptError):
        retrying(RetryPolicy(deadline=10.0)).call(attempt)
    assert len(calls) == 1
    assert time.monotonic() - started < 1


def test_stop_ends_the_waiting() -> None:
    stop = threading.Event()
    attempt, calls = failing(99, retry_after=30.0)
    threading.Timer(0.1, stop.set).start()
    started = time.monotonic()
    with pytest.raises(AttemptError):
        retrying(RetryPolicy(), stop).call(attempt)
    assert len(calls) == 1
    assert time.monotonic() - started < 5
