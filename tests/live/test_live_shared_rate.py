"""One limit for several processes: what one of them learns, all of them keep to."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from reconciler.emulator import DEMO_STORE, Emulator, FaultKind, FaultRule, Faults
from reconciler.errors import ReconcilerError
from reconciler.live.http.rate import REMEMBERED, TICKS, Limit, OwnMemory, RateLimiter
from reconciler.live.http.retry import RetryPolicy
from reconciler.live.http.shared_rate import SharedMemory, opened_memory
from reconciler.model.address import InstanceAddress

from .conftest import Connect

PROCESSES = 3


@pytest.fixture
def descriptor() -> Iterator[int]:
    with opened_memory(Limit.at(time.monotonic(), 100.0), PROCESSES) as opened:
        yield opened


def limiter(descriptor: int, own: int) -> RateLimiter:
    memory = SharedMemory(descriptor, own=own, processes=PROCESSES)
    return RateLimiter(100.0, stop=threading.Event(), memory=memory)


def test_no_room_for_the_file_is_an_error_before_any_process_is_started() -> None:
    """A map of a sparse file would kill its process where the disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, before[1]))
    try:
        with (
            pytest.raises(ReconcilerError, match="No space left on device") as refused,
            opened_memory(Limit.at(0.0, None), PROCESSES),
        ):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "TMPDIR" in (refused.value.hint or "")


def test_slots_are_given_once_whoever_asks(descriptor: int) -> None:
    limiters = [limiter(descriptor, own) for own in range(PROCESSES)]
    began = time.monotonic()
    for _ in range(20):
        for one in limiters:
            one.acquire()
    assert time.monotonic() - began >= 0.3  # from the making of the memory on, 0.59


def test_a_429_of_one_slows_all_by_what_went_through_all(descriptor: int) -> None:
    one, other, third = (limiter(descriptor, own) for own in range(PROCESSES))
    for _ in range(30):
        one.passed()
        other.passed()
    third.note_throttled(time.monotonic())
    assert one.rate == other.rate == third.rate == pytest.approx(30.0, rel=0.1)
    assert (one.throttled, third.throttled) == (0, 1)


@pytest.mark.parametrize(
    ("status", "retry_after", "is_slowed"), [(429, None, True), (503, 1, True), (503, None, False)]
)
def test_an_answer_to_one_that_asks_for_a_pause_slows_all(
    emulator: Emulator,
    connect: Connect,
    descriptor: int,
    status: int,
    retry_after: int | None,
    *,
    is_slowed: bool,
) -> None:
    one, other = (SharedMemory(descriptor, own=own, processes=PROCESSES) for own in range(2))
    rule = FaultRule(FaultKind.STATUS, status=status, retry_after=retry_after)
    emulator.set_faults(Faults((rule,)))
    single = RetryPolicy(attempts=1)
    connection = connect(emulator.url, max_qps=100.0, rate_memory=one, retry=single)
    connection.store(DEMO_STORE).probe(InstanceAddress("1.2", "1.3", "1.4"))
    assert (other.rate != 100.0) is is_slowed
    assert connection.traffic.throttled == is_slowed


def test_what_passed_is_counted_by_the_tick_and_forgotten_after_a_minute(descriptor: int) -> None:
    shared = SharedMemory(descriptor, own=0, processes=PROCESSES)
    for memory in (shared, OwnMemory(Limit.at(0.0, None))):
        for second in range(3 * REMEMBERED):
            memory.add_passed(second)
            memory.add_passed(second + 0.5)
        end = 3 * REMEMBERED * TICKS
        assert memory.passed_in(range(end - TICKS, end)) == 2
        assert memory.passed_in(range(end - 60 * TICKS, end)) == 120
    assert shared.passed_in(range(REMEMBERED * TICKS)) == 0


HOLDS = """
import sys, time
from reconciler.live.http.shared_rate import SharedMemory
memory = SharedMemory(int(sys.argv[1]), own=1, processes=3)
with memory.changing() as limit:
    limit.rate = 1.0
    print("locked", flush=True)
    time.sleep(600)
"""


def test_a_process_that_is_killed_while_it_changes_the_limit_holds_up_nobody(
    descriptor: int,
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(descriptor)],
        pass_fds=[descriptor],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"locked\n"
    child.kill()
    child.communicate()
    assert limiter(descriptor, 0).reserve()[0]
    assert limiter(descriptor, 0).rate == 100.0


def test_the_memory_has_no_name(descriptor: int) -> None:
    assert os.fstat(descriptor).st_nlink == 0
