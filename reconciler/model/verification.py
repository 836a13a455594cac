"""What a check of the journal found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FindingKind(Enum):
    """What may be found; only the first three say that the record was changed or cut."""

    BROKEN = "broken"
    """A record is not as it was written: the chain inside a run does not hold."""
    HEAD_MISSING = "head missing"
    """No record has the head that was published."""
    LOST = "lost"
    """A run that a published head covers is missing, was cut off or rewritten."""
    UNREADABLE = "unreadable"
    """A run cannot be checked: another format, or the file cannot be read."""
    UNKNOWN_PREDECESSOR = "unknown predecessor"
    """A run follows on one that is missing, was cut off or rewritten; no head covers it."""
    TORN = "torn"
    """The last line of a run was cut off, as when its process dies."""
    UNFINISHED = "unfinished"
    """A run has no end on record: its process died, or its end was cut off."""
    UNSTARTED = "unstarted"
    """A file without any whole record: its run never started, or it was cut off as a whole."""
    UNCOVERED = "uncovered"
    """A run before that of a published head, to which no head leads."""
    FORK = "fork"
    """Two runs follow on the same one, as when they run at the same time."""
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
    FindingKind.UNKNOWN_PREDECESSOR,
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
    """What a published head stands for: a record of a run, and all ``runs`` that it follows on.

    ``runs`` counts its own one too.
    """

    head: str
    run: str
    seq: int
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
