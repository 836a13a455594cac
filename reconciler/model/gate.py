"""What may stop a plan from being applied."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from reconciler.model.address import StoreAddress


class GateName(Enum):
    """The gates, by the name of the limit that opens them where there is one."""

    INCOMPLETE = "incomplete"
    MISPLACED = "misplaced"
    MAX_DELETIONS = "maxDeletions"
    MAX_STUDIES_EMPTIED = "maxStudiesEmptied"
    MAX_SERIES_EMPTIED = "maxSeriesEmptied"
    MAX_STUDY_PERCENT = "maxStudyPercent"
    MAX_KEPT_MISSING = "maxKeptMissing"
    MAX_NEVER_SEEN = "maxNeverSeen"
    MAX_REAPPEARED = "maxReappeared"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of one store: what was counted, what is allowed, and how to pass.

    ``subject`` names the study that a gate on a study is about.
    """

    name: GateName
    store: StoreAddress
    actual: int
    allowed: int
    hint: str
    subject: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether the plan may pass."""
        return self.actual <= self.allowed
