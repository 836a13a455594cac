"""Threads that pull from one iterator."""

import threading
import time

import pytest

from reconciler.live.workers import run_ahead, run_workers

from ..waiting import SECONDS


def test_every_item_is_worked_on_once_by_several_threads() -> None:
    seen: list[int] = []
    threads: set[str] = set()

    def work(item: int) -> None:
        time.sleep(0.001)
        threads.add(threading.current_thread().name)
        seen.append(item)

    run_workers(iter(range(200)), work, parallelism=8)
    assert sorted(seen) == list(range(200))
    assert len(threads) == 8


def test_items_are_pulled_when_there_is_a_hand_for_them() -> None:
    pulled = []
    worked = []

    def items():
        for number in range(100):
            pulled.append(number)
            yield number

    def work(item: int) -> None:
        assert len(pulled) - len(worked) <= 4
        worked.append(item)

    run_workers(items(), work, parallelism=4)


def test_the_first_exception_ends_the_work_and_is_raised() -> None:
    seen = []

    def work(item: int) -> None:
        seen.append(item)
        if item == 5:
            raise KeyError("five")
        time.sleep(0.001)

    with pytest.raises(KeyError, match="five"):
        run_workers(range(10_000), work, parallelism=4)
    assert len(seen) < 100


def test_an_exception_of_the_items_is_raised_too() -> None:
    def items():
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run_workers(items(), lambda item: None, parallelism=4)


def test_stop_ends_the_dispatching_and_lets_work_end() -> None:
    stop = threading.Event()
    done = []

    def work(item: int) -> None:
        if item == 10:
            stop.set()
        time.sleep(0.002)
        done.append(item)

    run_workers(range(10_000), work, parallelism=4, stop=stop)
    assert 10 in done
    assert len(done) < 50


def test_nothing_to_do_is_done() -> None:
    run_workers([], lambda item: pytest.fail("called"), parallelism=0)


def test_what_is_made_ahead_comes_in_order_whichever_ends_first() -> None:
    ended = [threading.Event() for _ in range(6)]

    def work(item: int) -> int:
        if item % 2 == 0:  # each second one ends before the one that it follows
            assert ended[item + 1].wait(SECONDS)
        ended[item].set()
        return item * 10

    made = run_ahead(range(6), work, at_a_time=2)
    assert list(made) == [(item, item * 10) for item in range(6)]


def test_no_more_is_pulled_than_is_at_work_and_in_use() -> None:
    pulled = []

    def items():
        for number in range(20):
            pulled.append(number)
            yield number

    for used, (item, _) in enumerate(run_ahead(items(), str, at_a_time=2), 1):
        assert len(pulled) == min(used + 2, 20)
        assert item == used - 1


def test_an_exception_ahead_is_raised_in_the_place_of_its_item() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise KeyError("three")
        return item

    made = run_ahead(range(9), work, at_a_time=4)
    assert [next(made) for _ in range(3)] == [(0, 0), (1, 1), (2, 2)]
    with pytest.raises(KeyError, match="three"):
        next(made)
