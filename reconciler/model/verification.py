"""What a check of the journal found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FindingKind(Enum):
    """What may be found; only the first two say that the record was changed or cut."""

    BROKEN = "broken"
    """A record is not as it was written: the chain inside a run does not hold."""
    HEAD_MISSING = "head missing"
    """No run holds the head that was published."""
    UNREADABLE = "unreadable"
    """A run cannot be checked: another format, or the file cannot be read."""
    TORN = "torn"
    """The last line of a run was cut off, as when its process dies."""
    FORK = "fork"
    """Two runs follow on the same one, as when they run at the same time."""
    UNKNOWN_PREDECESSOR = "unknown predecessor"
    """A run follows on one that is not there."""
    CLOCK = "clock"
    """A record is earlier than one before it."""
    FOREIGN = "foreign"
    """A file that is not the record of a run."""

    @property
    def is_corruption(self) -> bool:
        """Whether the record can no longer be relied on."""
        return self in {FindingKind.BROKEN, FindingKind.HEAD_MISSING}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; ``place`` is a file, with the line where there is one, or the head."""

    kind: FindingKind
    place: str
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The result: how many runs and records were checked, and what was found."""

    runs: int
    records: int
    findings: tuple[Finding, ...]

    def count(self, *, corruption: bool) -> int:
        """How many findings are of that weight."""
        return sum(one.kind.is_corruption is corruption for one in self.findings)
