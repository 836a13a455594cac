"""What an auditor asks of the record, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.model.address import StoreAddress
from reconciler.model.deletion import RecordedDeletion
from reconciler.model.gate import GateName
from reconciler.model.outcome import Outcome
from reconciler.model.problem import Source
from reconciler.model.provenance import Provenance
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

    def takes(self, deletion: RecordedDeletion) -> bool:
        """Whether this deletion is asked for; it belongs to the run of its DELETE and its proof."""
        code = deletion.reason.code.value if deletion.reason else ""
        return (
            self.takes_time(deletion.time)
            and self.takes_study(deletion.instance.study_uid)
            and (not self.reasons or code in self.reasons)
            and (not self.runs or not self.runs.isdisjoint({deletion.run.run, deletion.settles}))
        )


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
class Reappearance:
    """How many instances that earlier runs had proven to be gone a plan found in the store."""

    run: str
    time: datetime
    store: StoreAddress
    instances: int


@dataclass(frozen=True, slots=True)
class ChangingRun:
    """An apply or a restore: who had what done, and the head by which its record is proven.

    ``digest`` is that of the plan that was applied, None of a restore; ``restores`` are the runs
    that were undone. ``head`` is None where the record has no whole line at its end.
    """

    run: str
    time: datetime
    digest: str | None
    restores: tuple[str, ...]
    provenance: Provenance
    head: str | None


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

    ``selection`` is what was asked for. The ``by_`` totals count instances that are proven to be
    gone. ``runs`` are plans, applies and restores; ``changes`` those of them that may have changed
    a store. ``planned`` is what the plans that were applied asked for, each counted once; None
    where only some studies or reasons are asked for, since the record does not tell it of those.
    ``problems`` tell what of the record could not be read, and is missing here therefore.
    """

    selection: Selection
    runs: int
    first: datetime | None
    last: datetime | None
    planned: int | None
    outcomes: Mapping[Outcome, int]
    restored: Mapping[RestoreOutcome, int]
    by_reason: Mapping[str, int]
    by_store: Mapping[str, int]
    by_month_and_reason: Mapping[str, Mapping[str, int]]
    by_actor: Mapping[str, int]
    changes: tuple[ChangingRun, ...]
    refusals: tuple[Refusal, ...]
    reappeared: tuple[Reappearance, ...]
    kept: tuple[LastSeen, ...]
    problems: tuple[str, ...]

    @property
    def by_month(self) -> Mapping[str, int]:
        """The months, and how many instances are proven to be gone in each."""
        return {month: sum(counts.values()) for month, counts in self.by_month_and_reason.items()}

    @property
    def gone(self) -> int:
        """How many instances are proven to be gone."""
        return sum(count for outcome, count in self.outcomes.items() if outcome.is_gone)

    @property
    def not_gone(self) -> int:
        """How many were attempted, and are not proven to be gone."""
        return sum(count for outcome, count in self.outcomes.items() if not outcome.is_gone)
