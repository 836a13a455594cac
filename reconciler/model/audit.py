"""What an auditor asks of the record: which removals, by whom, why, and with what evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import Reason
from reconciler.model.gate import GateName
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome
from reconciler.model.problem import Source
from reconciler.model.restore import RestoreOutcome


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of the record is asked for; None and empty for all.

    ``since`` counts, ``until`` does not any more. ``reasons`` are codes of CID 7031.
    """

    since: datetime | None = None
    until: datetime | None = None
    studies: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    runs: frozenset[str] = frozenset()

    def takes_time(self, time: datetime) -> bool:
        """Whether something of this time is asked for."""
        if self.since is not None and time < self.since:
            return False
        return self.until is None or time < self.until

    def takes_study(self, study_uid: str) -> bool:
        """Whether this study is asked for."""
        return not self.studies or study_uid in self.studies

    def takes(self, removal: Removal) -> bool:
        """Whether this removal is asked for."""
        code = removal.reason.code.value if removal.reason else ""
        return (
            self.takes_time(removal.time)
            and self.takes_study(removal.instance.study_uid)
            and (not self.reasons or code in self.reasons)
        )


@dataclass(frozen=True, slots=True)
class Removal:
    """One planned deletion that was attempted, what became of it, and the evidence.

    ``status`` and ``request_id`` are those of the last DELETE; ``presence`` is what the retrieve
    after it saw. ``reason`` and ``source`` are None in a record of format 1.0.
    """

    run: str
    store: StoreAddress
    instance: InstanceAddress
    time: datetime
    outcome: Outcome
    presence: Presence
    actor: str | None
    reason: Reason | None
    source: Source | None
    status: int | None
    request_id: str | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A gate that stopped a plan."""

    run: str
    time: datetime
    store: StoreAddress
    gate: GateName
    actual: int
    allowed: int
    study_uid: str | None


@dataclass(frozen=True, slots=True)
class LastSeen:
    """A keep entry, how many instances of it the store had when it was seen last, and when."""

    store: StoreAddress
    study_uid: str
    series_uid: str | None
    source: Source
    hold: str | None
    instances: int
    time: datetime


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The totals over what is selected; every sequence and mapping is sorted.

    The ``by_`` totals count instances that are proven to be gone. ``planned`` is what the plans
    that were applied asked for, each counted once, over all of what they say. ``problems`` tell
    what of the record could not be read, and is missing here therefore.
    """

    runs: int
    first: datetime | None
    last: datetime | None
    planned: int
    outcomes: Mapping[Outcome, int]
    restored: Mapping[RestoreOutcome, int]
    by_reason: Mapping[str, int]
    by_store: Mapping[str, int]
    by_month: Mapping[str, int]
    by_actor: Mapping[str, int]
    refusals: tuple[Refusal, ...]
    kept: tuple[LastSeen, ...]
    problems: tuple[str, ...]

    @property
    def gone(self) -> int:
        """How many instances are proven to be gone."""
        return sum(count for outcome, count in self.outcomes.items() if outcome.is_gone)

    @property
    def not_gone(self) -> int:
        """How many were attempted, and are not proven to be gone."""
        return sum(count for outcome, count in self.outcomes.items() if not outcome.is_gone)
