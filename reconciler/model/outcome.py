"""What became of a planned deletion, and of a whole apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.traffic import Traffic


class Outcome(Enum):
    """How one planned deletion ended; the counts of an apply add up to the plan."""

    DELETED = "deleted"
    ALREADY_ABSENT = "already_absent"
    ABSENT_AFTER_AMBIGUOUS_ATTEMPT = "absent_after_ambiguous_attempt"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    NOT_ATTEMPTED = "not_attempted"

    @property
    def is_gone(self) -> bool:
        """Whether the instance is proven to be absent."""
        return self in _GONE

    @property
    def is_removal(self) -> bool:
        """Whether it is proven to be absent, and a DELETE of ours may have brought that about."""
        return self in _REMOVALS


_GONE = frozenset({Outcome.DELETED, Outcome.ALREADY_ABSENT, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT})
_REMOVALS = _GONE - {Outcome.ALREADY_ABSENT}


class RunState(Enum):
    """How far an apply came."""

    COMPLETED = "completed"
    """Every planned deletion was attempted."""
    STOPPED = "stopped"
    """It stopped itself; the same apply may resume it."""
    INTERRUPTED = "interrupted"
    """A signal stopped it; the same apply resumes it."""
    ABORTED = "aborted"
    """A reply named an operation: it must be looked at and is never resumed."""

    @property
    def is_final(self) -> bool:
        """Whether the same plan is never applied again after it."""
        return self in {RunState.COMPLETED, RunState.ABORTED}


@dataclass(frozen=True, slots=True)
class InstanceResult:
    """One planned deletion and what became of it; ``detail`` never holds patient data."""

    store: StoreAddress
    instance: InstanceAddress
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """The result of an apply, over the whole plan, earlier runs of it included.

    ``not_gone`` names every instance that is not proven to be absent; ``taken_over`` is how many of
    the others an earlier run has proven, and not this one. ``traffic`` is that of the run itself,
    None where it is an earlier one.
    """

    run: str
    plan_id: str
    digest: str
    state: RunState
    started: datetime
    ended: datetime
    counts: Mapping[Outcome, int]
    not_gone: tuple[InstanceResult, ...]
    stopped_because: str | None = None
    resumed: tuple[str, ...] = ()
    journal_head: str | None = None
    traffic: Traffic | None = None
    taken_over: int = 0

    @property
    def planned(self) -> int:
        """How many deletions were planned."""
        return sum(self.counts.values())

    @property
    def is_success(self) -> bool:
        """Whether every planned deletion is proven."""
        return all(outcome.is_gone or not count for outcome, count in self.counts.items())
