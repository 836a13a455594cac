"""Work through a plan's deletions with several workers, and account for every one of them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from reconciler.applying.deletion import Deleter, Target
from reconciler.applying.stopping import Breaker, Stop
from reconciler.live.workers import run_workers
from reconciler.model.outcome import InstanceResult, Outcome

T = TypeVar("T")


class Account:
    """Outcomes as they come in; adds up to the plan because nothing leaves it unnamed."""

    def __init__(self, on_result: Callable[[InstanceResult], None]) -> None:
        self.counts: Counter[Outcome] = Counter()
        self.not_gone: list[InstanceResult] = []
        self.taken_over = 0
        self._on_result = on_result
        self._lock = threading.Lock()

    def take_over(self, outcome: Outcome, *, is_earlier: bool) -> None:
        """Count what an attempt of an earlier run has done, proven by that run or settled by this.

        May be called from any worker.
        """
        with self._lock:
            self.counts[outcome] += 1
            self.taken_over += is_earlier

    @property
    def is_proven(self) -> bool:
        """Whether all that was counted is proven to be absent."""
        return all(outcome.is_gone or not count for outcome, count in self.counts.items())

    def add(self, result: InstanceResult) -> None:
        """Count one planned deletion; may be called from any worker."""
        with self._lock:
            self.counts[result.outcome] += 1
            if not result.outcome.is_gone:
                self.not_gone.append(result)
            self._on_result(result)


def delete_all(
    targets: Iterable[Target],
    deleter: Deleter,
    account: Account,
    *,
    stop: Stop,
    breaker: Breaker,
    parallelism: int,
) -> None:
    """Delete every target, or account for it as not attempted once the run has stopped."""
    remaining = iter(targets)

    def delete_one(target: Target) -> None:
        result = deleter.delete(target)
        account.add(result)
        breaker.record(result.outcome)

    run_workers(until_stopped(stop, remaining), delete_one, parallelism=parallelism)
    for target in remaining:
        account.add(
            InstanceResult(
                target.store,
                target.instance,
                Outcome.NOT_ATTEMPTED,
                stop.reason or "",
            )
        )


def until_stopped(stop: Stop, items: Iterator[T]) -> Iterator[T]:
    """Hand out items until the run stops; none is taken and then dropped."""
    while not stop.is_requested:
        try:
            item = next(items)
        except StopIteration:
            return
        yield item
