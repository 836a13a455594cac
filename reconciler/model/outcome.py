"""What became of one instance that a run was to delete or to restore, and of the whole run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.as_json import as_json
from reconciler.model.traffic import Traffic


class Outcome(Enum):
    """How one instance of a run ended; the counts of a run add up to what it was about."""

    DELETED = "deleted"
    ALREADY_ABSENT = "already_absent"
    ABSENT_AFTER_AMBIGUOUS_ATTEMPT = "absent_after_ambiguous_attempt"
    IDENTICAL = "identical"
    """Restored: a retrieve returns the archived bytes."""
    SAME_DATASET = "same_dataset"
    """Restored: only preamble or File Meta Information differ (PS3.10 section 7.1)."""
    CONFLICT = "conflict"
    """Not restored: the store holds other content under this address."""
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

    @property
    def is_restored(self) -> bool:
        """Whether the archived dataset is proven to be in the store."""
        return self in _RESTORED

    @property
    def is_proven(self) -> bool:
        """Whether the run has proven what it was to bring about."""
        return self.is_gone or self.is_restored


_GONE = frozenset({Outcome.DELETED, Outcome.ALREADY_ABSENT, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT})
_REMOVALS = _GONE - {Outcome.ALREADY_ABSENT}
_RESTORED = frozenset({Outcome.IDENTICAL, Outcome.SAME_DATASET})
_UNPROVEN = (Outcome.FAILED, Outcome.UNCONFIRMED, Outcome.NOT_ATTEMPTED)


class Operation(Enum):
    """What a run does to stores."""

    APPLY = "apply"
    RESTORE = "restore"

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How an instance of such a run may end, in the order in which they are shown."""
        return _OUTCOMES[self]


_OUTCOMES = {
    Operation.APPLY: (
        Outcome.DELETED,
        Outcome.ALREADY_ABSENT,
        Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT,
        *_UNPROVEN,
    ),
    Operation.RESTORE: (
        Outcome.IDENTICAL,
        Outcome.SAME_DATASET,
        Outcome.CONFLICT,
        *_UNPROVEN,
    ),
}


class RunState(Enum):
    """How far a run came."""

    COMPLETED = "completed"
    """Every instance was attempted."""
    STOPPED = "stopped"
    """It stopped itself; the same command may resume it."""
    INTERRUPTED = "interrupted"
    """A signal stopped it; the same command resumes it."""
    ABORTED = "aborted"
    """A reply named an operation: it must be looked at and is never resumed."""

    @property
    def is_final(self) -> bool:
        """Whether the same plan is never applied again after it."""
        return self in {RunState.COMPLETED, RunState.ABORTED}


@dataclass(frozen=True, slots=True)
class InstanceResult:
    """One instance of a run and what became of it; ``detail`` never holds patient data.

    ``file`` is the archived file that a restore puts back.
    """

    store: StoreAddress
    instance: InstanceAddress
    outcome: Outcome
    detail: str = ""
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class RunReport:
    """The result of an apply or a restore, over all of it, the runs that it resumed included.

    An apply has the ``plan_id`` and the ``digest`` of its plan, a restore the runs whose archives
    it ``restores``. ``unproven`` names every instance that is not proven to be absent, or to be
    back; ``taken_over`` is how many of the others an earlier run has proven, and not this one.
    A run that found nothing to do has no ``journal_head``. ``traffic`` is that of the run itself,
    None where it sent nothing. Of a plan in shards, ``run`` is the task that ``runs``, those of its
    shards, name in their first record, and a shard that was not begun is counted and not named.
    """

    operation: Operation
    run: str
    state: RunState
    started: datetime
    ended: datetime
    counts: Mapping[Outcome, int]
    unproven: tuple[InstanceResult, ...] = field(metadata=as_json(is_left=True))
    plan_id: str | None = None
    digest: str | None = None
    restores: tuple[str, ...] = ()
    stopped_because: str | None = None
    resumed: tuple[str, ...] = ()
    journal_head: str | None = None
    traffic: Traffic | None = None
    taken_over: int = 0
    runs: tuple[str, ...] = ()

    @property
    def planned(self) -> int:
        """How many instances the run was about."""
        return sum(self.counts.values())

    @property
    def is_success(self) -> bool:
        """Whether what the run was to bring about is proven for every instance."""
        return all(outcome.is_proven or not count for outcome, count in self.counts.items())
