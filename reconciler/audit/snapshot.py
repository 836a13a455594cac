"""The record as it stood at one moment, so that all that is made of it agrees.

An apply may be writing meanwhile: what it adds is left for the next time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Self

from reconciler.audit.heard import Heard, HeardFile, OnProgress
from reconciler.errors import BrokenJournal, JournalError, UsageError
from reconciler.journal.index import RunIndex
from reconciler.journal.index_objects import IndexObject, read_indexes
from reconciler.journal.log import Logged, RunLog, entry_name
from reconciler.journal.order import RunStart, in_order
from reconciler.journal.read_only import FirstReadOnly
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import FirstRecord, RunEnded, RunStarted
from reconciler.journal.state import OBSERVATIONS, RUNS, RunFile, State
from reconciler.model.audit import Selection

FOLDERS = (RUNS, OBSERVATIONS)


class Snapshot:
    """The runs of a record, and how far each is read."""

    def __init__(
        self,
        state: State,
        logs: Mapping[str, tuple[Logged, ...]],
        files: tuple[RunFile, ...],
        indexed: Mapping[str, RunIndex],
        broken: tuple[BrokenJournal, ...] = (),
    ) -> None:
        self.state = state
        self.logs = logs
        """The entries of each log, by the name of its folder."""
        self.files = files
        """The records of all runs, those that change no store after the others."""
        self.indexed = indexed
        """What the index says of a run, by its name."""
        self.broken = broken
        """The entries of the logs, and objects of the index, that are none."""

    @classmethod
    def take(cls, state: State, on_progress: OnProgress | None = None) -> Self:
        """Note what is there now; ``on_progress`` hears how many bytes of runs were read later on.

        Raises:
            UsageError: there is no such state folder.
            JournalError: it cannot be read.
        """
        if not state.exists:
            raise UsageError(
                f"there is no state folder {state}",
                hint="name it (--state or RECONCILER_STATE; in Python: state=)",
            )
        # A run that is in a log is over, so the logs come first.
        broken: list[BrokenJournal] = []
        logs = {
            folder: tuple(_entries(RunLog(state.objects, folder), broken)) for folder in FOLDERS
        }
        files: Iterable[RunFile] = (one for folder in FOLDERS for one in state.run_files(folder))
        if on_progress is not None:
            heard = Heard(on_progress)
            files = (HeardFile(file, heard) for file in files)
        indexes = logs[RUNS][-1].entry.indexes if logs[RUNS] else ()
        indexed = {one.line.run: one for one in _indexed(state, indexes, broken)}
        return cls(state, logs, tuple(files), indexed, tuple(broken))

    @property
    def unrecognised(self) -> tuple[str, ...]:
        """What lies among them and is not the record of a run."""
        return tuple(place for folder in FOLDERS for place in self.state.unrecognised(folder))

    @property
    def missing(self) -> tuple[str, ...]:
        """The applies and restores that are in the log, and of which there is no record."""
        names = {file.name for file in self.files if file.folder == RUNS}
        return tuple(one.entry.run for one in self.logs[RUNS] if one.entry.run not in names)

    def place_of(self, folder: str, one: Logged) -> str:
        """Where an entry of a log is, for messages."""
        return f"{self.state}/{entry_name(folder, one.entry.number)}"

    def chosen(self, runs: Sequence[str]) -> tuple[RunFile, ...]:
        """The runs that are named, in that order; a task stands for the runs of its shards.

        Raises:
            UsageError: there is no such run.
        """
        by_name: dict[str, list[RunFile]] = {}
        for file in self.files:
            by_name.setdefault(file.name, []).append(file)
            first = self.starts.get(file) if runs else None
            if isinstance(first, RunStarted) and first.task is not None:
                by_name.setdefault(first.task, []).append(file)
        for run in runs:
            if run not in by_name:
                raise UsageError(f"there is no run {run!r} in the state folder")
        return tuple(file for run in runs for file in by_name[run])

    def selected(self, selection: Selection) -> Selection:
        """The same, with the runs of its shards for a task; raises as `chosen`."""
        runs = self.chosen(sorted(selection.runs))
        return replace(selection, runs=frozenset(file.name for file in runs))

    @cached_property
    def starts(self) -> Mapping[RunFile, FirstRecord]:
        """The first records; whoever reads a run reports what is none."""
        return dict(self._starts())

    @cached_property
    def changing(self) -> tuple[RunFile, ...]:
        """The applies and restores, in the order in which they happened.

        Those of which the first record cannot be read, or is none of theirs, come last.

        Raises:
            JournalError: the order contradicts itself.
        """
        return self._in_order(RUNS, are_observations=False)

    @cached_property
    def observations(self) -> tuple[RunFile, ...]:
        """The runs that change no store; as `changing`."""
        return self._in_order(OBSERVATIONS, are_observations=True)

    def _in_order(self, folder: str, *, are_observations: bool) -> tuple[RunFile, ...]:
        files = {file.name: file for file in self.files if file.folder == folder}
        begun = {
            file: RunStart.of(first)
            for file, first in self.starts.items()
            if file.folder == folder and isinstance(first, FirstReadOnly) is are_observations
        }
        ordered = [files[name] for name in in_order(begun.values())]
        return (*ordered, *(file for file in files.values() if file not in begun))

    def without_runs_under_way(self) -> Snapshot:
        """The same without the applies that another process works on now.

        What they attempted and have not proven yet would look like a failure.
        """
        under_way = {file for file in self.files if self._is_under_way(file)}
        # One that died is in the log, and waits for the one that resumes it.
        waiting = {(file.folder, file.name) for file in under_way}
        logs = {
            folder: tuple(one for one in log if (folder, one.entry.run) not in waiting)
            for folder, log in self.logs.items()
        }
        left = tuple(file for file in self.files if file not in under_way)
        return Snapshot(self.state, logs, left, self.indexed, self.broken)

    def _is_under_way(self, file: RunFile) -> bool:
        records = iter(RunRecords(file))
        try:
            first = next(records, None)
            if not isinstance(first, RunStarted):
                return False
            if any(isinstance(record, RunEnded) for record in records):
                return False
            # It may have finished since it was found.
            return any(map(self.state.is_held, first.stores)) or file.has_grown
        except (JournalError, OSError):  # whoever reads it reports it
            return False

    def _starts(self) -> Iterator[tuple[RunFile, FirstRecord]]:
        for file in self.files:
            try:
                first = next(iter(RunRecords(file)), None)
            except JournalError:
                continue
            if isinstance(first, FirstRecord):
                yield file, first


def _indexed(
    state: State, indexes: Iterable[IndexObject], broken: list[BrokenJournal]
) -> Iterator[RunIndex]:
    """The runs of the index; objects that are none go to ``broken``."""
    for one in indexes:
        try:
            yield from read_indexes(state.objects, [one])
        except BrokenJournal as error:
            broken.append(error)


def _entries(log: RunLog, broken: list[BrokenJournal]) -> Iterator[Logged]:
    """The entries of a log; those that are none go to ``broken``."""
    for number in log.numbers():
        try:
            entry = log.at(number)
        except BrokenJournal as error:
            broken.append(error)
        else:
            if entry is not None:
                yield entry
