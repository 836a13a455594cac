"""The order in which runs happened: by time, but clocks step back."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from typing import NamedTuple

from reconciler.errors import JournalError
from reconciler.journal.records import RestoreStarted, RunStarted


class RunStart(NamedTuple):
    """The first record of an apply or a restore, and the head of its file."""

    started: RunStarted | RestoreStarted
    head: str | None

    @property
    def earlier(self) -> frozenset[str]:
        """The runs that it names, which therefore came before it."""
        match self.started:
            case RestoreStarted(restores=restores, resumes=resumes):
                return frozenset({*restores, *resumes})
            case RunStarted(resumes=resumes):
                return frozenset(resumes)


def in_order(starts: Iterable[RunStart]) -> list[str]:
    """The names of the runs by the time of their start, never before one that they name.

    A run names others as those that it goes on with, and by the head of the latest one before it.

    Raises:
        JournalError: two runs name each other.
    """
    by_name = {one.started.run: one for one in starts}
    by_head = {one.head: name for name, one in by_name.items() if one.head is not None}
    sorter = TopologicalSorter[str]()
    for name, run in by_name.items():
        before = {*run.earlier, by_head.get(run.started.previous_head or "", name)}
        sorter.add(name, *(before & by_name.keys() - {name}))
    _prepare(sorter)
    order: list[str] = []
    waiting: list[tuple[float, str]] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heappush(waiting, (by_name[name].started.time.timestamp(), name))
        _, first = heappop(waiting)
        order.append(first)
        sorter.done(first)
    return order


def _prepare(sorter: TopologicalSorter[str]) -> None:
    try:
        sorter.prepare()
    except CycleError as error:
        raise JournalError(
            f"the journal contradicts itself: each run is later than the other: {error.args[1]}",
            hint="restore the state folder from a copy",
        ) from error
