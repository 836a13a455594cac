"""What a check of the journal found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FindingKind(Enum):
    """What may be found; only the first three say that the record was changed or cut."""

    BROKEN = "broken"
    """A record, or an entry of the log, is not as it was written."""
    HEAD_MISSING = "head missing"
    """The log never had the head that was published."""
    LOST = "lost"
    """A run, or a part of the log, that a published head covers is missing."""
    UNREADABLE = "unreadable"
    """A run cannot be checked: another format, or the file cannot be read."""
    MISSING = "missing"
    """A run, or a part of the log, is missing; no published head covers it."""
    TORN = "torn"
    """The last line of a run was cut off, as when its process dies."""
    UNFINISHED = "unfinished"
    """A run has no end on record: its process died, or its end was cut off."""
    UNSTARTED = "unstarted"
    """A file without any whole record: its run never started, or it was cut off as a whole."""
    UNCOVERED = "uncovered"
    """A run that has an end and is in no log, so that no head can cover it."""
    CLOCK = "clock"
    """A record is earlier than one before it."""
    UNRECOGNISED = "unrecognised"
    """A file that is not the record of a run."""

    @property
    def is_corruption(self) -> bool:
        """Whether the record can no longer be relied on."""
        return self in {
            FindingKind.BROKEN,
            FindingKind.HEAD_MISSING,
            FindingKind.LOST,
        }

    @property
    def leaves_a_gap(self) -> bool:
        """Whether something that was done may be missing in what is made of the record."""
        return self.is_corruption or self in _GAPS


_GAPS = {
    FindingKind.UNREADABLE,
    FindingKind.MISSING,
    FindingKind.UNSTARTED,
}


@dataclass(frozen=True, slots=True)
class RecordFinding:
    """One finding; ``place`` is a file, with the line where there is one, or the head."""

    kind: FindingKind
    place: str
    message: str


@dataclass(frozen=True, slots=True)
class PublishedHead:
    """What a published head stands for: the log up to an entry, which is that of a run.

    ``runs`` counts the runs that it covers: those of this log, and those in the other one that
    were over when they began.
    """

    head: str
    run: str
    number: int
    runs: int


@dataclass(frozen=True, slots=True)
class Verification:
    """The result: how many runs and records were checked, what was found, what heads cover."""

    runs: int
    records: int
    findings: tuple[RecordFinding, ...]
    published: tuple[PublishedHead, ...] = ()

    def count(self, *, corruption: bool) -> int:
        """How many findings are of that weight."""
        return sum(one.kind.is_corruption is corruption for one in self.findings)
