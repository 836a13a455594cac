"""Recompute the chains of a state folder, offline and one line at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from reconciler.audit.snapshot import Snapshot
from reconciler.errors import BrokenJournal, JournalError
from reconciler.journal.read_only import FirstReadOnly
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import FirstRecord, LastRecord, Record
from reconciler.model.verification import (
    FindingKind,
    PublishedHead,
    RecordFinding,
    Verification,
)

CLOCK_TOLERANCE = timedelta(seconds=5)
"""Threads take the time before they queue for their place, so neighbours may be out of order."""


@dataclass(frozen=True, slots=True)
class _Place:
    path: Path
    seq: int


@dataclass(slots=True)
class _Checking:
    """What was learned of the runs so far.

    ``wanted`` are the hashes that are asked for: those that runs name, and published heads;
    ``found`` says where a line has one of them; ``starts`` are the first records, ``ends`` the last
    ones and ``heads`` their hashes.
    """

    wanted: Collection[str]
    found: dict[str, _Place] = field(default_factory=dict)
    starts: dict[Path, FirstRecord] = field(default_factory=dict)
    ends: dict[str, Record] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)
    records: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check, and by the name of each run its last record, and the hash of that."""

    verification: Verification
    ends: Mapping[str, Record]
    heads: Mapping[str, str]


def verify(
    snapshot: Snapshot, *, runs: Sequence[str] = (), heads: Sequence[str] = ()
) -> Verification:
    """As `check`, without what it comes by on the way."""
    return check(snapshot, runs=runs, heads=heads).verification


def check(snapshot: Snapshot, *, runs: Sequence[str] = (), heads: Sequence[str] = ()) -> Checked:
    """Check every run of a state folder, or those that are named.

    How runs follow on each other is checked only where all of them are. A head was published at the
    end of a run: where a line has it, nothing before that line and nothing of the runs that it
    follows on was cut off or rewritten, or it is found out.

    Raises:
        UsageError: there is no such run.
    """
    chosen = snapshot.chosen(runs) if runs else snapshot.files
    checked = _Checking({*_named(snapshot, chosen), *heads})
    findings = [] if runs else [_unrecognised(path) for path in snapshot.unrecognised]
    for path in chosen:
        findings += _check(path, snapshot.records(path), checked)
    published: list[PublishedHead] = []
    lost: set[str] = set()
    for head in heads:
        reached = _follow(head, checked)
        lost |= reached - checked.found.keys() - {head}
        if place := checked.found.get(head):
            count = len({checked.found[one].path for one in reached & checked.found.keys()})
            published.append(PublishedHead(head, place.path.stem, place.seq, count))
        else:
            message = "no record has this hash: the journal was cut off or rewritten"
            findings.append(RecordFinding(FindingKind.HEAD_MISSING, head, message))
    if not runs:
        findings += _links(checked, lost)
    if published and not runs:
        findings += _uncovered(snapshot, checked, published, heads)
    verification = Verification(len(chosen), checked.records, tuple(findings), tuple(published))
    return Checked(verification, checked.ends, checked.heads)


def _unrecognised(path: Path) -> RecordFinding:
    return RecordFinding(
        FindingKind.UNRECOGNISED, str(path), "not the record of a run; passed over"
    )


def _named(snapshot: Snapshot, files: Iterable[Path]) -> Iterator[str]:
    """The hashes that the first records name; what cannot be read is reported later."""
    for path in files:
        if first := snapshot.starts.get(path):
            yield from _predecessors(first)


def _predecessors(first: FirstRecord) -> Iterator[str]:
    if first.previous_head is not None:
        yield first.previous_head
    if first.previous_observation is not None:
        yield first.previous_observation


def _check(path: Path, records: RunRecords, checked: _Checking) -> Iterator[RecordFinding]:
    clock = _Clock()
    last: Record | None = None
    try:
        for seq, record in enumerate(records):
            last = record
            checked.records += 1
            if records.head is not None and records.head in checked.wanted:
                checked.found[records.head] = _Place(path, seq)
            if isinstance(record, FirstRecord):
                checked.starts[path] = record
                yield from _misplaced(path, record)
            if clock.went_back(record.time):
                message = f"the clock went back, from {clock.latest} to {record.time}"
                yield RecordFinding(FindingKind.CLOCK, f"{path}:{seq + 1}", message)
    except BrokenJournal as error:
        yield RecordFinding(FindingKind.BROKEN, error.place, error.problem)
    except JournalError as error:
        yield RecordFinding(FindingKind.UNREADABLE, str(path), str(error))
    else:
        yield from _end(path, last)
    if last is not None and records.head is not None:
        checked.ends[path.stem], checked.heads[path.stem] = last, records.head
    if records.torn_tail:
        yield RecordFinding(
            FindingKind.TORN, str(path), "the last line is cut off; it was set aside"
        )


def _misplaced(path: Path, first: FirstRecord) -> Iterator[RecordFinding]:
    """A run in the folder of the others: no command looks for it there."""
    is_observation = isinstance(first, FirstReadOnly)
    if is_observation != (path.parent.name == "observations"):
        message = "it lies in the folder of another kind of run, where nobody looks for it"
        yield RecordFinding(FindingKind.BROKEN, f"{path}:1", message)


def _end(path: Path, last: Record | None) -> Iterator[RecordFinding]:
    """What is to be said of the last record of a run."""
    if last is None:
        yield RecordFinding(FindingKind.UNSTARTED, str(path), "it holds no whole record")
    elif not isinstance(last, LastRecord):
        message = "it has no end on record: its process died, or its end was cut off"
        yield RecordFinding(FindingKind.UNFINISHED, str(path), message)


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


def _follow(head: str, checked: _Checking) -> set[str]:
    """The hashes that a head covers: its own, and those that its run and theirs name."""
    reached: set[str] = set()
    waiting = [head]
    while waiting:
        one = waiting.pop()
        if one in reached:
            continue
        reached.add(one)
        place = checked.found.get(one)
        if place is not None and place.path in checked.starts:
            waiting += _predecessors(checked.starts[place.path])
    return reached


def _links(checked: _Checking, lost: Collection[str]) -> Iterator[RecordFinding]:
    """How runs follow on each other: each folder is a chain of its own, and names the other's."""
    followers: dict[tuple[str, str | None], Path] = {}
    for path, first in checked.starts.items():
        is_observation = path.parent.name == "observations"
        own = first.previous_observation if is_observation else first.previous_head
        before = followers.setdefault((path.parent.name, own), path)
        if before != path:
            message = f"it follows on the same run as {before.name}"
            yield RecordFinding(FindingKind.FORK, str(path), message)
        yield from _added_after(path, first, checked)
        for named in _predecessors(first):
            if named not in checked.found:
                kind = FindingKind.LOST if named in lost else FindingKind.UNKNOWN_PREDECESSOR
                yield RecordFinding(kind, f"{path}:1", missing_run(named))


def _added_after(path: Path, first: FirstRecord, checked: _Checking) -> Iterator[RecordFinding]:
    """Where two runs work on one store, the second begins after the last line of the first."""
    place = checked.found.get(first.previous_head or "")
    before = checked.starts.get(place.path) if place else None
    if place is None or before is None or isinstance(first, FirstReadOnly):
        return
    if set(before.stores) & set(first.stores) and checked.heads.get(before.run) != (
        first.previous_head
    ):
        message = f"{path.name}, which worked on the same store, began after line {place.seq + 1}"
        yield RecordFinding(FindingKind.BROKEN, f"{place.path}:{place.seq + 2}", message)


def _uncovered(
    snapshot: Snapshot, checked: _Checking, published: Iterable[PublishedHead], heads: Iterable[str]
) -> Iterator[RecordFinding]:
    """Applies and restores before the latest run that a head is of, to which no head leads."""
    reached = {
        checked.found[one].path
        for head in heads
        for one in _follow(head, checked) & checked.found.keys()
    }
    names = {one.run for one in published}
    order = snapshot.changing
    last = max((place for place, path in enumerate(order) if path.stem in names), default=-1)
    for path in order[: last + 1]:
        if path not in reached:
            message = "no head leads to it: it ran beside the others, or was added since"
            yield RecordFinding(FindingKind.UNCOVERED, str(path), message)


def missing_run(named: str) -> str:
    """What is to be said of a run that names a hash which no record has."""
    return f"a run before it is missing, was cut off or rewritten: no record has the hash {named}"
