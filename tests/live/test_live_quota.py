"""Where the rate settles under quotas of all kinds, and how many requests they refuse."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .quota_simulation import AnySecond, Bucket, EachWindow, Outage, PerSecond, Quota, Simulation

QUOTAS: dict[str, Callable[[PerSecond], Quota]] = {
    "in any second": AnySecond,
    "each second": lambda per_second: EachWindow(per_second, 1),
    "each minute": lambda per_second: EachWindow(per_second, 60),
    "a bucket of a second": lambda per_second: Bucket(per_second, 1),
    "a bucket of a minute": lambda per_second: Bucket(per_second, 60),
}
BY_MINUTE = {"each minute", "a bucket of a minute"}
BURST = 1.0
"""Seconds: before the first answer nothing is known, and every worker has sent a request."""

slow = pytest.mark.slow


def some(cases: list[tuple[object, ...]], quick: set[tuple[object, ...]]) -> list[object]:
    """The cases, slow but for some."""
    return [pytest.param(*case, marks=() if case in quick else slow) for case in cases]


SIZES = [(1, 8), (1, 32), (2, 32), (8, 8), (8, 32)]
SETTLING: list[tuple[object, ...]] = [
    (kind, per_second, processes, workers, latency)
    for kind in QUOTAS
    for per_second, latency in ((20, 0.02), (20, 0.2), (200, 0.02), (200, 0.2), (2000, 0.01))
    for processes, workers in SIZES
    if processes * workers >= 1.5 * per_second * latency
]
QUICK: set[tuple[object, ...]] = {
    (kind, per_second, *size, 0.02)
    for kind in ("in any second", "each minute")
    for per_second, size in ((20, (1, 8)), (20, (8, 32)), (200, (1, 8)), (200, (8, 32)))
}


@pytest.mark.parametrize(
    ("kind", "per_second", "processes", "workers", "latency"), some(SETTLING, QUICK)
)
def test_processes_that_share_a_rate_settle_near_any_quota_with_few_refusals(
    kind: str, per_second: float, processes: int, workers: int, latency: float
) -> None:
    learned, begin = (60.0, 120) if kind in BY_MINUTE else (BURST, 20)
    seconds = begin + (60 if per_second == 2000 and begin == 20 else 780 if latency > 0.1 else 300)
    quota = QUOTAS[kind](lambda _: per_second)
    run = Simulation(quota, processes=processes, workers=workers, latency=latency).run(seconds)
    assert run.per_second(begin) >= 0.9 * per_second
    assert run.refused_share(learned) <= 0.02


TASKS: list[tuple[object, ...]] = [(kind, q) for kind in QUOTAS for q in (20, 200)]


@pytest.mark.parametrize(
    ("kind", "per_second"), some(TASKS, {("in any second", 20), ("each minute", 20)})
)
def test_separate_tasks_settle_too_and_none_starves(kind: str, per_second: float) -> None:
    quota = QUOTAS[kind](lambda _: per_second)
    run = Simulation(quota, processes=8, is_shared=False).run(720)
    assert run.per_second(120) >= 0.85 * per_second
    assert run.refused_share(BURST) <= 0.05
    assert run.least_of_a_process(120, 8) >= 0.2 * per_second / 8


@pytest.mark.parametrize("kind", ["each second", "each minute"])
@pytest.mark.parametrize("processes", [1, 8])
def test_on_a_busy_machine_it_settles_too(kind: str, processes: int) -> None:
    """Threads wake up twenty milliseconds too late, which is four requests."""
    quota = QUOTAS[kind](lambda _: 200)
    run = Simulation(quota, processes=processes, workers=16, lateness=0.02).run(180)
    assert run.per_second(120) >= 0.9 * 200
    assert run.refused_share(BURST) <= 0.02


@pytest.mark.parametrize("is_shared", [True, pytest.param(False, marks=slow)])
@pytest.mark.parametrize("kind", ["in any second", pytest.param("each second", marks=slow)])
def test_a_quota_that_falls_and_rises_is_followed_within_a_minute(
    kind: str, is_shared: bool
) -> None:
    quota = QUOTAS[kind](lambda now: 25 if 60 <= now < 120 else 100)
    run = Simulation(quota, processes=8, is_shared=is_shared).run(240)
    assert run.per_second(80, 120) >= 0.85 * 25
    assert run.per_second(180) >= 0.9 * 100
    assert run.refused_share(BURST) <= 0.03


def test_a_quota_of_a_minute_that_falls_and_rises_is_followed_in_some_minutes() -> None:
    quota = EachWindow(lambda now: 5 if 300 <= now < 600 else 20, 60)
    run = Simulation(quota, processes=8).run(1200)
    assert run.per_second(480, 600) >= 0.9 * 5
    assert run.per_second(1080) >= 0.85 * 20
    assert run.refused_share(BURST) <= 0.03


@pytest.mark.parametrize("sends_retry_after", [False, True])
@pytest.mark.parametrize("kind", ["in any second", "each minute"])
def test_an_outage_teaches_nothing_of_the_quota(kind: str, sends_retry_after: bool) -> None:
    """Every request is refused for half a minute, as with 503, whatever is asked for."""
    quota = Outage(QUOTAS[kind](lambda _: 20), 300, 330)
    run = Simulation(quota, processes=8, sends_retry_after=sends_retry_after).run(405)
    assert run.per_second(345) >= 0.85 * 20


@pytest.mark.parametrize("kind", ["in any second", "each minute"])
def test_with_retry_after_it_settles_too_and_hardly_asks_before(kind: str) -> None:
    quota = QUOTAS[kind](lambda _: 40)
    run = Simulation(quota, processes=8, sends_retry_after=True).run(480)
    assert run.per_second(120) >= 0.9 * 40
    assert run.refused_share(BURST) <= 0.01


def test_a_run_is_the_same_every_time() -> None:
    runs = [Simulation(AnySecond(lambda _: 40), processes=2).run(30) for _ in range(2)]
    assert runs[0] == runs[1]
