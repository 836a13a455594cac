"""Recompute the chains of a state folder, offline and one line at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.audit.snapshot import Snapshot
from reconciler.errors import BrokenJournal, JournalError
from reconciler.journal.fold import Read
from reconciler.journal.index import Mentions, RunIndex, mentions_of
from reconciler.journal.log import Logged, measured
from reconciler.journal.read_only import FirstReadOnly
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import Fenced, FirstRecord, LastRecord, Record
from reconciler.journal.state import OBSERVATIONS, RUNS, RunFile
from reconciler.model.verification import (
    FindingKind,
    PublishedHead,
    RecordFinding,
    Verification,
)

CLOCK_TOLERANCE = timedelta(seconds=5)
"""Threads take the time before they queue for their place, so neighbours may be out of order."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What was read of a run: ``root`` is that of the tree over its ``size`` records."""

    file: RunFile
    first: Record | None
    last: Record | None
    size: int
    root: str
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check, and by the name of each run its last record.

    ``heads`` are those of the log with which each run was added to it.
    """

    verification: Verification
    ends: Mapping[str, Record]
    heads: Mapping[str, str]


@dataclass(slots=True)
class _Checking:
    runs: dict[tuple[str, str], _Run] = field(default_factory=dict)
    """By the name of the folder, and that of the run."""
    records: int = 0


def verify(
    snapshot: Snapshot, *, runs: Sequence[str] = (), heads: Sequence[str] = ()
) -> Verification:
    """As `check`, without what it comes by on the way."""
    return check(snapshot, runs=runs, heads=heads).verification


def check(snapshot: Snapshot, *, runs: Sequence[str] = (), heads: Sequence[str] = ()) -> Checked:
    """Check every run of a state folder, or those that are named, and the logs that they are in.

    A head is that of a log when it was published: nothing of the runs up to then can be missing, or
    be otherwise than it was, without being found. Which runs are missing is checked only where all
    of them are.

    Raises:
        UsageError: there is no such run.
    """
    chosen = snapshot.chosen(runs) if runs else snapshot.files
    checking = _Checking()
    findings = [] if runs else [_unrecognised(place) for place in snapshot.unrecognised]
    for file in chosen:
        indexed = snapshot.indexed.get(file.name) if file.folder == RUNS else None
        findings += _check(file, indexed, checking)
    published = tuple(_published(snapshot, heads, checking))
    found = {one.head for one in published}
    for head in heads:
        if head not in found:
            message = "the log never had this head: it was cut off or rewritten"
            findings.append(RecordFinding(FindingKind.HEAD_MISSING, head, message))
    for error in snapshot.broken:
        place = f"{snapshot.state}/{error.place}"
        findings.append(RecordFinding(FindingKind.BROKEN, place, error.problem))
    for folder, log in snapshot.logs.items():
        findings += _chain(snapshot, folder, log)
        findings += _entries(folder, log, checking)
    findings += _indexed(snapshot)
    if not runs:
        findings += _missing(snapshot, checking, heads)
    return Checked(
        Verification(len(chosen), checking.records, tuple(findings), published),
        {run.file.name: run.last for run in checking.runs.values() if run.last is not None},
        {one.entry.run: one.head for log in snapshot.logs.values() for one in log},
    )


def _unrecognised(place: str) -> RecordFinding:
    return RecordFinding(FindingKind.UNRECOGNISED, place, "not the record of a run; passed over")


class _Reading:
    """The records of a run as they are read, and what is found on the way."""

    def __init__(self, file: RunFile) -> None:
        self.file = file
        self.records = RunRecords(file, measures=True)
        self.findings: list[RecordFinding] = []
        self.first: Record | None = None
        self.last: Record | None = None
        self.count = 0

    def __iter__(self) -> Iterator[Record]:
        clock = _Clock()
        for record in self.records:
            self.first, self.last = self.first or record, record
            self.count += 1
            if isinstance(record, FirstRecord):
                self.findings += _misplaced(self.file, record)
            if clock.went_back(record.time):
                message = f"the clock went back, from {clock.latest} to {record.time}"
                finding = RecordFinding(FindingKind.CLOCK, self.records.place, message)
                self.findings.append(finding)
            yield record


def _check(file: RunFile, indexed: RunIndex | None, checking: _Checking) -> Iterator[RecordFinding]:
    """Read a run to its end, and hold it against what the index says of it."""
    reading = _Reading(file)
    records = reading.records
    is_whole = False
    error: JournalError | None = None
    found: tuple[Read, Mentions] | None = None
    try:
        if indexed is None:
            for _ in reading:
                pass
        else:
            found = mentions_of(reading)
        is_whole = True
    except JournalError as broken:
        error = broken
    yield from reading.findings
    if isinstance(error, BrokenJournal):
        yield RecordFinding(FindingKind.BROKEN, error.place, error.problem)
    elif error is not None:
        yield RecordFinding(FindingKind.UNREADABLE, file.place, str(error))
    elif not records.is_void:
        yield from _end(file, reading.last)
    size, root = measured(records)
    is_as_logged = indexed is not None and (size, root) == (indexed.line.size, indexed.line.root)
    if found and is_as_logged and found[1].index(found[0], size, root) != indexed:
        message = "the index of the log does not say of it what its record says"
        yield RecordFinding(FindingKind.BROKEN, file.place, message)
    checking.records += reading.count
    checking.runs[file.folder, file.name] = _Run(
        file, reading.first, reading.last, size, root, is_whole
    )
    if records.torn_tail:
        yield RecordFinding(
            FindingKind.TORN, file.place, "the last line is cut off; it was set aside"
        )


def _misplaced(file: RunFile, first: FirstRecord) -> Iterator[RecordFinding]:
    """A run in the folder of the others: no command looks for it there."""
    if isinstance(first, FirstReadOnly) != (file.folder == OBSERVATIONS):
        message = "it is in the folder of another kind of run"
        yield RecordFinding(FindingKind.BROKEN, f"{file.place}:2", message)


def _end(file: RunFile, last: Record | None) -> Iterator[RecordFinding]:
    """What is to be said of the last record of a run."""
    if last is None:
        yield RecordFinding(FindingKind.UNSTARTED, file.place, "it has no complete record")
    elif isinstance(last, Fenced):
        message = f"it did not end: its stores were taken over by {last.by}"
        yield RecordFinding(FindingKind.UNFINISHED, file.place, message)
    elif not isinstance(last, LastRecord):
        message = "it has no end on record: its process died, or its end was cut off"
        yield RecordFinding(FindingKind.UNFINISHED, file.place, message)


class _Clock:
    """The latest time of a run's records; reports the first one that is clearly before it."""

    def __init__(self) -> None:
        self.latest: datetime | None = None
        self._has_reported = False

    def went_back(self, time: datetime) -> bool:
        if self.latest is None or time >= self.latest:
            self.latest = time
            return False
        if self._has_reported or self.latest - time <= CLOCK_TOLERANCE:
            return False
        self._has_reported = True
        return True


def _chain(snapshot: Snapshot, folder: str, log: Sequence[Logged]) -> Iterator[RecordFinding]:
    """Whether each entry of a log follows on the one before; its beginning may be gone."""
    before: Logged | None = None
    for one in log:
        if before is None:
            is_next = one.entry.number > 1 or one.entry.previous is None
        else:
            is_next = one.entry.number == before.entry.number + 1
            is_next = is_next and one.entry.previous == before.head
        if not is_next:
            message = "the log is broken: the previous entry is missing or was modified"
            yield RecordFinding(FindingKind.BROKEN, snapshot.place_of(folder, one), message)
        before = one


def _entries(folder: str, log: Sequence[Logged], checking: _Checking) -> Iterator[RecordFinding]:
    """Whether the runs are as they were when they were added to the log."""
    for entry in (one.entry for one in log):
        run = checking.runs.get((folder, entry.run))
        if run is not None and run.is_whole and (message := entry.change(run.size, run.root)):
            yield RecordFinding(FindingKind.BROKEN, run.file.place, message)


def _indexed(snapshot: Snapshot) -> Iterator[RecordFinding]:
    """Whether the index is of the runs in the log, as they were then; entries may be gone."""
    log = snapshot.logs[RUNS]
    logged = {entry.run: (entry.size, entry.root) for entry, _ in log}
    is_whole = bool(log) and log[-1].entry.number == len(log)
    for run, index in snapshot.indexed.items():
        is_known = is_whole or run in logged
        if is_known and logged.get(run) != (index.line.size, index.line.root):
            message = f"its index does not say of run {run} what the log says"
            yield RecordFinding(FindingKind.BROKEN, snapshot.place_of(RUNS, log[-1]), message)


def _published(
    snapshot: Snapshot, heads: Sequence[str], checking: _Checking
) -> Iterator[PublishedHead]:
    for one in (one for log in snapshot.logs.values() for one in log if one.head in heads):
        covered = _covered(snapshot, checking, {one.head})
        runs = {
            (folder, entry.run)
            for folder, log in snapshot.logs.items()
            for entry, _ in log
            if entry.number <= covered[folder]
        }
        count = len(runs & checking.runs.keys())
        yield PublishedHead(one.head, one.entry.run, one.entry.number, count)


def _covered(snapshot: Snapshot, checking: _Checking, heads: Collection[str]) -> dict[str, int]:
    """Up to which entry of each log the heads cover: their runs name heads of both logs."""
    covered = {
        folder: max((entry.number for entry, head in log if head in heads), default=0)
        for folder, log in snapshot.logs.items()
    }
    named = {
        head
        for folder, log in snapshot.logs.items()
        for entry, _ in log
        if entry.number <= covered[folder]
        for head in _named(checking.runs.get((folder, entry.run)))
    }
    for folder, log in snapshot.logs.items():
        further = (entry.number for entry, head in log if head in named)
        covered[folder] = max(covered[folder], *further, 0)
    return covered


def _named(run: _Run | None) -> Iterator[str]:
    """The heads of the logs that a run found when it began."""
    if run is not None and isinstance(run.first, FirstRecord):
        yield from filter(None, (run.first.previous_head, run.first.previous_observation))


def _missing(
    snapshot: Snapshot, checking: _Checking, heads: Sequence[str]
) -> Iterator[RecordFinding]:
    """What logs and runs name, and is not there; and what is there, and in no log."""
    covered = _covered(snapshot, checking, heads)
    files = {(file.folder, file.name) for file in snapshot.files}
    numbers = {
        (folder, entry.run): entry.number
        for folder, log in snapshot.logs.items()
        for entry, _ in reversed(log)  # two that found it left may have added it
    }
    for (folder, name), number in numbers.items():
        if (folder, name) not in files:
            yield _gone(number <= covered[folder], name, missing_run(name))
    for folder, log in snapshot.logs.items():
        if log and log[0].entry.number > 1:
            message = "the entries of the log before it are missing"
            yield _gone(covered[folder] > 0, snapshot.place_of(folder, log[0]), message)
    known = {one.head for log in snapshot.logs.values() for one in log}
    for (folder, name), run in checking.runs.items():
        own = numbers.get((folder, name))
        for head in _named(run):
            if head not in known:
                message = f"it began after a run that is missing: no log has the head {head}"
                is_covered = own is not None and own <= covered[folder]
                yield _gone(is_covered, run.file.place, message)
        if own is None and isinstance(run.last, LastRecord) and not isinstance(run.last, Fenced):
            message = "it is in no log: its process died at its end, or it was added since"
            yield RecordFinding(FindingKind.UNCOVERED, run.file.place, message)


def _gone(is_covered: bool, place: str, message: str) -> RecordFinding:  # noqa: FBT001 - inner
    return RecordFinding(FindingKind.LOST if is_covered else FindingKind.MISSING, place, message)


def missing_run(run: str) -> str:
    """What is to be said of a run that is in the log, and of which there is no file."""
    return f"the record of run {run} is in the log, and is missing"
