"""What an apply and a restore share: their settings, their workers, their account, their end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from reconciler.applying.sending import LEASE_LOST, RetryBudget
from reconciler.applying.stopping import Stop
from reconciler.errors import ExitCode, JournalError
from reconciler.journal.records import RunEnded
from reconciler.journal.state import Wanted
from reconciler.journal.writer import RunJournal
from reconciler.live.workers import run_workers
from reconciler.model.address import StoreAddress
from reconciler.model.lock import Holder
from reconciler.model.outcome import InstanceResult, Operation, Outcome, RunState

T = TypeVar("T")

_AHEAD = 4
"""So many times as many intents as requests are under way where the state is in a bucket."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How a run goes about it.

    ``run`` is the new run's name; ``holder`` says in the lock who runs it. ``task`` is the name of
    the command that has a shard applied.
    """

    run: str
    holder: Holder
    tool_version: str
    budget: RetryBudget
    parallelism: int = 32
    lease: float = 10.0
    task: str | None = None

    def workers(self, journal: RunJournal) -> int:
        """How many threads work, of which ``parallelism`` send a request at a time.

        Where a record takes long to be durable, most of the others wait for their intent.
        """
        return self.parallelism * (_AHEAD if journal.is_slow else 1)


def wanted_locks(
    stores: Iterable[StoreAddress],
    settings: RunSettings,
    started: datetime,
    stop: Stop,
    on_wait: Callable[[str], None],
    *,
    manifest: str | None = None,
    claim: str | None = None,
) -> Wanted:
    """The locks that a run wants, which stops where it may have lost them."""
    return Wanted(
        frozenset(stores),
        settings.holder,
        f"{started:%Y-%m-%d %H:%M:%S} UTC",
        settings.lease,
        lambda: stop.request(RunState.STOPPED, LEASE_LOST),
        on_wait,
        stop.event,
        manifest,
        claim,
    )


class Account:
    """Outcomes as they come in; adds up to the run because nothing leaves it unnamed."""

    def __init__(self, operation: Operation, on_result: Callable[[InstanceResult], None]) -> None:
        self.counts: Counter[Outcome] = Counter(dict.fromkeys(operation.outcomes, 0))
        self.unproven: list[InstanceResult] = []
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
        """Whether what was to be brought about is proven for all that was counted."""
        return all(outcome.is_proven or not count for outcome, count in self.counts.items())

    def add(self, result: InstanceResult) -> None:
        """Count one instance; may be called from any worker."""
        with self._lock:
            self.counts[result.outcome] += 1
            if not result.outcome.is_proven:
                self.unproven.append(result)
            self._on_result(result)


def work_through(
    targets: Iterable[T],
    work: Callable[[T], InstanceResult],
    untried: Callable[[T, str], InstanceResult],
    account: Account,
    *,
    stop: Stop,
    tried: Callable[[Outcome], None],
    parallelism: int,
) -> None:
    """Work on every target, or account for it as ``untried`` once the run has stopped.

    ``tried`` gets what became of each that was worked on: `Breaker.record`, as a rule.
    An exception in the calling thread, such as KeyboardInterrupt, stops the run and is raised once
    what is in flight has ended: the locks must outlast every request.
    """
    remaining = iter(targets)

    def work_on(target: T) -> None:
        result = work(target)
        account.add(result)
        tried(result.outcome)

    run_workers(
        _until_stopped(stop, remaining),
        work_on,
        parallelism=parallelism,
        on_break=partial(stop.request, RunState.INTERRUPTED, "interrupted"),
    )
    for target in remaining:
        account.add(untried(target, stop.reason or ""))


def _until_stopped(stop: Stop, items: Iterator[T]) -> Iterator[T]:
    """Hand out items until the run stops; none is taken and then dropped."""
    while not stop.is_requested:
        try:
            item = next(items)
        except StopIteration:
            return
        yield item


def end_run(
    journal: RunJournal,
    account: Account,
    stop: Stop,
    now: Callable[[], datetime],
    *,
    is_done: bool,
    exit_code: ExitCode | None = None,
) -> RunEnded:
    """Record the end; a journal that cannot take it leaves the run to be resumed.

    A stop that came when everything was proven and kept (``is_done``) changes nothing. Where
    something was not, it may have cut its attempts or its proof short. ``exit_code`` is that of a
    refusal.
    """
    is_completed = is_done and stop.state is not RunState.ABORTED
    done = ExitCode.SUCCESS if is_done else ExitCode.INCOMPLETE
    ended = RunEnded(
        now(),
        RunState.COMPLETED if is_completed else stop.state,
        dict(account.counts),
        exit_code or done,
        stop.reason,
        account.taken_over,
    )
    try:
        journal.commit(ended)
    except JournalError as error:
        stop.request(RunState.STOPPED, str(error))
        return replace(
            ended,
            state=stop.state,
            exit_code=ExitCode.INCOMPLETE,
            stopped_because=stop.reason,
        )
    with suppress(JournalError):  # the next run on one of its stores adds it to the log
        journal.finish()
    return ended
