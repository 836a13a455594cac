"""Recompute the chains of a state folder, offline and one line at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from reconciler.errors import BrokenJournal, JournalError, UsageError
from reconciler.journal.folder import RUN_SUFFIX, readings_folder, runs_folder
from reconciler.journal.reader import RunRecords
from reconciler.model.verification import Finding, FindingKind, Verification

CLOCK_TOLERANCE = timedelta(seconds=5)
"""Threads take the time before they queue for their place, so neighbours may be out of order."""

_LINKS = ("previousHead", "previousReading")


@dataclass(slots=True)
class _Checked:
    """What was learned of the runs so far.

    ``wanted`` are the hashes that other runs name, ``found`` those of them that a line has;
    ``starts`` the first line of each run, by its file.
    """

    wanted: frozenset[str]
    found: set[str] = field(default_factory=set)
    starts: dict[Path, Mapping[str, object]] = field(default_factory=dict)
    records: int = 0


def verify(state: Path, *, runs: Sequence[str] = (), head: str | None = None) -> Verification:
    """Check every run of a state folder, or those that are named.

    How runs follow on each other is checked only where all of them are. ``head`` was published at
    the end of a run: that a line has it proves that nothing up to it was cut off or rewritten.

    Raises:
        UsageError: there is no such run.
        JournalError: the state folder cannot be read.
    """
    files = run_files(state)
    chosen = chosen_files(files, runs) if runs else files
    checked = _Checked(_named(chosen) | ({head} if head else set()))
    findings = [] if runs else list(_foreign(state))
    for path in chosen:
        findings += _check(path, checked)
    if not runs:
        findings += _links(checked)
    if head and head not in checked.found:
        message = "no record has this hash: the journal was cut off or rewritten"
        findings.append(Finding(FindingKind.HEAD_MISSING, head, message))
    return Verification(len(chosen), checked.records, tuple(findings))


def run_files(state: Path) -> tuple[Path, ...]:
    """The files of all runs of a state folder, those that change no store after the others.

    Raises:
        JournalError: a folder cannot be read.
    """
    return tuple(path for path in _files(state) if path.suffix == RUN_SUFFIX)


def _files(state: Path) -> Iterator[Path]:
    for folder in (runs_folder(state), readings_folder(state)):
        try:
            yield from sorted(folder.iterdir())
        except FileNotFoundError:
            continue
        except OSError as error:
            raise JournalError(f"{folder} cannot be read: {error.strerror or error}") from error


def _foreign(state: Path) -> Iterator[Finding]:
    for path in _files(state):
        if path.suffix != RUN_SUFFIX:
            yield Finding(FindingKind.FOREIGN, str(path), "not the record of a run; passed over")


def chosen_files(files: Iterable[Path], runs: Sequence[str]) -> tuple[Path, ...]:
    """The files of the runs that are named, in that order.

    Raises:
        UsageError: there is no such run.
    """
    by_name = {path.stem: path for path in files}
    for run in runs:
        if run not in by_name:
            raise UsageError(f"there is no run {run!r} in the state folder")
    return tuple(by_name[run] for run in runs)


def _named(files: Iterable[Path]) -> frozenset[str]:
    """The hashes that the first lines name; what cannot be read is told of later."""
    starts = (_start(path) for path in files)
    values = (start.get(link) for start in starts for link in _LINKS)
    return frozenset(value for value in values if isinstance(value, str))


def _start(path: Path) -> Mapping[str, object]:
    try:
        return next((link.fields for link in RunRecords(path).links()), {})
    except JournalError:
        return {}


def _check(path: Path, checked: _Checked) -> Iterator[Finding]:
    records = RunRecords(path)
    clock = _Clock()
    try:
        for link in records.links():
            checked.records += 1
            if link.hash in checked.wanted:
                checked.found.add(link.hash)
            if link.seq == 0:
                checked.starts[path] = link.fields
            if clock.went_back(link.fields.get("time")):
                message = f"the clock went back, from {clock.latest} to {link.fields['time']}"
                yield Finding(FindingKind.CLOCK, f"{path}:{link.seq + 1}", message)
    except BrokenJournal as error:
        yield Finding(FindingKind.BROKEN, error.place, error.problem)
    except JournalError as error:
        yield Finding(FindingKind.UNREADABLE, str(path), str(error))
    if records.torn_tail:
        yield Finding(FindingKind.TORN, str(path), "the last line is cut off; it was set aside")


class _Clock:
    """The latest time of a run's records; tells of the first one that is clearly before it."""

    def __init__(self) -> None:
        self.latest = ""
        self._has_told = False

    def went_back(self, written: object) -> bool:
        time = written if isinstance(written, str) else ""
        if time >= self.latest:
            self.latest = time
            return False
        if self._has_told or not _is_clearly_before(time, self.latest):
            return False
        self._has_told = True
        return True


def _is_clearly_before(time: str, latest: str) -> bool:
    try:
        return datetime.fromisoformat(latest) - datetime.fromisoformat(time) > CLOCK_TOLERANCE
    except (TypeError, ValueError):
        return False


def _links(checked: _Checked) -> Iterator[Finding]:
    """How runs follow on each other: each folder is a chain of its own, and names the other's."""
    followers: dict[tuple[str, object], Path] = {}
    for path, start in checked.starts.items():
        own = "previousReading" if path.parent.name == "readings" else "previousHead"
        before = followers.setdefault((own, start.get(own)), path)
        if before != path:
            message = f"it follows on the same run as {before.name}"
            yield Finding(FindingKind.FORK, str(path), message)
        for name in _LINKS:
            named = start.get(name)
            if isinstance(named, str) and named not in checked.found:
                message = f"it names a run before it that is not there, {name} {named}"
                yield Finding(FindingKind.UNKNOWN_PREDECESSOR, f"{path}:1", message)
