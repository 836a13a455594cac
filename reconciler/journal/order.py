"""The order in which runs happened: each run names those before it, since clocks step back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from typing import NamedTuple, Self

from reconciler.errors import JournalError
from reconciler.journal.records import FirstRecord, RestoreStarted, RunStarted


class RunStart(NamedTuple):
    """What decides the place of a run among those of its folder.

    ``earlier`` are the runs that it names as before it: those after which no other run of the
    folder came when it began, and those that it resumes or restores.
    """

    run: str
    time: datetime
    earlier: frozenset[str] = frozenset()

    @classmethod
    def of(cls, first: FirstRecord) -> Self:
        """By the first record of the run."""
        earlier = set(first.after)
        match first:
            case RunStarted():
                earlier.update(first.resumes)
            case RestoreStarted():
                earlier.update(first.restores, first.resumes)
        return cls(first.run, first.time, frozenset(earlier))


def in_order(starts: Iterable[RunStart]) -> tuple[str, ...]:
    """The names of the runs, each after those that it names.

    The time of the start decides only between runs of which neither leads to the other, such as
    those of two state folders that were put together.

    Raises:
        JournalError: two runs name each other.
    """
    by_name = {one.run: one for one in starts}
    sorter = TopologicalSorter[str]()
    for name, one in by_name.items():
        sorter.add(name, *(one.earlier & by_name.keys() - {name}))
    _prepare(sorter)
    order: list[str] = []
    waiting: list[tuple[float, str]] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heappush(waiting, (by_name[name].time.timestamp(), name))
        _, first = heappop(waiting)
        order.append(first)
        sorter.done(first)
    return tuple(order)


def latest(starts: Iterable[RunStart]) -> tuple[str, ...]:
    """The runs that no other one names, in their order: those that the next run comes after.

    Raises as `in_order`.
    """
    known = list(starts)
    named = frozenset[str]().union(*(one.earlier for one in known))
    return tuple(name for name in in_order(known) if name not in named)


def _prepare(sorter: TopologicalSorter[str]) -> None:
    try:
        sorter.prepare()
    except CycleError as error:
        raise JournalError(
            f"the journal contradicts itself: each run is later than the other: {error.args[1]}",
            hint="restore the state folder from a copy",
        ) from error
