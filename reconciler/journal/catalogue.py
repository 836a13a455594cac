"""Which applies and restores there are: the index of those that are over, and where all are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from typing import Self

from reconciler.errors import BrokenJournal
from reconciler.journal.index import RunIndex
from reconciler.journal.index_objects import IndexObject, read_indexes
from reconciler.journal.log import RunLog
from reconciler.journal.order import RunStart, in_order
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import FirstRecord, RunStarted
from reconciler.journal.state import RUNS, RunFile, State
from reconciler.model.plan import PartOf


class Catalogue:
    """The applies and restores on record, by their names."""

    def __init__(
        self,
        state: State,
        indexed: Mapping[str, RunIndex],
        unindexed: Mapping[str, RunFile],
        logged: Mapping[str, tuple[int, str]],
    ) -> None:
        self._state = state
        self.indexed = indexed
        """The index of each that has one, in the order of the log."""
        self.unindexed = unindexed
        """The records of the others."""
        self.logged = logged
        """Size and root of each that is over, as the index or the log says."""

    @classmethod
    def read(cls, state: State) -> Self:
        """Find them; an object of the index that is not as it was is passed over.

        Raises:
            JournalError: the log, the index or the folder cannot be read.
        """
        # What is in the log is over, so the log comes first.
        log = RunLog(state.objects, RUNS)
        latest = log.latest()
        found = _indexes(state, latest.entry.indexes if latest else ())
        indexed = {index.line.run: index for index in found}
        logged = {run: (one.line.size, one.line.root) for run, one in indexed.items()}
        if latest is not None and latest.entry.number > len(found):  # two may have added one run
            logged |= {entry.run: (entry.size, entry.root) for entry, _ in log}
        names = (name for name in state.run_names(RUNS) if name not in indexed)
        files = (state.run_file(RUNS, name) for name in names)
        return cls(state, indexed, {file.name: file for file in files if file}, logged)

    def beside(self, part: PartOf) -> set[str]:
        """The runs of the other shards of a plan that have no index, such as those under way.

        Raises:
            JournalError: one cannot be read.
        """
        return {name for name, file in self.unindexed.items() if _is_beside(part, file)}

    def file(self, run: str) -> RunFile | None:
        """The record of one of them; None if it is gone.

        Raises:
            JournalError: that cannot be found out.
        """
        return self.unindexed.get(run) or self._state.run_file(RUNS, run)

    def first_records(self) -> Iterator[FirstRecord]:
        """The first record of each that has one, as the index has it or as it is read now.

        Raises:
            JournalError: one cannot be read.
        """
        for index in self.indexed.values():
            yield index.started
        for file in self.unindexed.values():
            first = next(iter(RunRecords(file)), None)
            if isinstance(first, FirstRecord):
                yield first

    def in_order(self) -> tuple[str, ...]:
        """All names in the order of the runs; what holds no first record is first.

        Raises:
            JournalError: as `first_records`, or the order contradicts itself.
        """
        ordered = in_order(map(RunStart.of, self.first_records()))
        others = self.unindexed.keys() - ordered
        return (*sorted(others), *ordered)

    def naming(self, instances: Set[int]) -> set[str]:
        """The runs with an index that names one of the instances, by their keys."""
        if not instances:
            return set()
        return {run for run, index in self.indexed.items() if index.names_any(instances)}

    def left_open(self) -> set[str]:
        """The runs with an index that may have left an attempt open which no later run closed."""
        left: dict[str, set[int]] = {}
        for run, index in self.indexed.items():
            for earlier, keys in left.items():
                if self.indexed[earlier].plan_id == index.plan_id:
                    # A settlement closes the attempt that it names, and no other of its plan.
                    keys.difference_update(index.gone - index.all_settled)
                keys.difference_update(index.settled(earlier))
            if index.open:
                left[run] = set(index.open)
        return {run for run, keys in left.items() if keys}

    def to_read(self, runs: Iterable[str]) -> frozenset[str]:
        """These runs, with every other whose record says how what they leave open was closed."""
        found: set[str] = set()
        waiting = set(runs)
        while waiting:
            found |= waiting
            left = {key for run in waiting if run in self.indexed for key in self.indexed[run].open}
            waiting = self.naming(left) - found
        return frozenset(found)


def _is_beside(part: PartOf, file: RunFile) -> bool:
    first = next(iter(RunRecords(file)), None)
    theirs = first.part_of if isinstance(first, RunStarted) else None
    return theirs is not None and theirs.plan_id == part.plan_id and theirs != part


def _indexes(state: State, named: Sequence[IndexObject]) -> list[RunIndex]:
    """The runs of these objects; one that is not as it was is passed over.

    What was read before is not read again, since its name is its hash.
    """
    known, found = state.indexes, dict[str, Sequence[RunIndex]]()
    for one in named:
        with suppress(BrokenJournal):  # `audit verify` reports it; the runs themselves are read
            found[one.sha256] = known.get(one.sha256) or tuple(read_indexes(state.objects, [one]))
    state.indexes = found
    return [index for one in named for index in found.get(one.sha256, ())]
