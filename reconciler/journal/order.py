"""The order in which runs happened: by time, but clocks step back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from typing import NamedTuple, Self

from reconciler.errors import JournalError
from reconciler.journal.readings import FirstReading
from reconciler.journal.records import FirstRecord, RestoreStarted, RunStarted


class RunStart(NamedTuple):
    """What tells the place of a run among those of its folder.

    ``head`` is that of its file, ``previous`` the one that it names as the latest before it,
    ``earlier`` are the runs that it goes on with or undoes.
    """

    run: str
    time: datetime
    head: str | None
    previous: str | None
    earlier: frozenset[str] = frozenset()

    @classmethod
    def of(cls, first: FirstRecord, head: str | None) -> Self:
        """By the first record of the run."""
        match first:
            case RunStarted(resumes=resumes):
                earlier = frozenset(resumes)
            case RestoreStarted(restores=restores, resumes=resumes):
                earlier = frozenset({*restores, *resumes})
            case _:
                earlier = frozenset()
        is_reading = isinstance(first, FirstReading)
        previous = first.previous_reading if is_reading else first.previous_head
        return cls(first.run, first.time, head, previous, earlier)


def in_order(starts: Iterable[RunStart]) -> list[str]:
    """The names of the runs by the time of their start, never before one that they name.

    Raises:
        JournalError: two runs name each other.
    """
    by_name = {one.run: one for one in starts}
    by_head = {one.head: one.run for one in by_name.values() if one.head is not None}
    sorter = TopologicalSorter[str]()
    for name, one in by_name.items():
        before = {*one.earlier, by_head.get(one.previous or "", name)}
        sorter.add(name, *(before & by_name.keys() - {name}))
    _prepare(sorter)
    order: list[str] = []
    waiting: list[tuple[float, str]] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heappush(waiting, (by_name[name].time.timestamp(), name))
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
