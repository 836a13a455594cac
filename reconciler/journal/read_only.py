"""The records of runs that change no store: plans, queries that read image bytes, and refusals.

They stand in a folder of their own, so that no reader of deletions has to pass over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.journal.bases import OfInstance, OfStore, Start
from reconciler.model.address import INSTANCES, SERIES, STUDIES, STUDY
from reconciler.model.as_json import as_json
from reconciler.model.desired import Hold, ReasonCode
from reconciler.model.gate import GateName
from reconciler.model.plan import Why
from reconciler.model.problem import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMade(Start):
    """The first record of a plan."""

    plan_id: str
    """The random id of the plan."""
    digest: str
    """The digest of the plan."""
    paths: tuple[str, ...] = ()
    """The PATHs that were planned."""


@dataclass(frozen=True, slots=True)
class KeptSeen(OfStore):
    """A keep entry, with the number of its instances in the store and of those missing."""

    study_uid: str = field(metadata=STUDY)
    """The Study Instance UID."""
    series_uid: str | None = field(metadata=SERIES)
    """The Series Instance UID; null for a whole study."""
    instances: int
    """How many instances of it the store had."""
    source: Source
    """Where the files declare the keep."""
    hold: Hold | None = None
    """The hold, with its reason."""
    missing: int = 0
    """How many of the named instances were missing; 1 for a missing series or study."""
    overridden: int = 0
    """How many of its instances the files also ask to remove."""


@dataclass(frozen=True, slots=True)
class OverriddenSeen(OfStore):
    """Instances of a series that the files ask to remove and that a hold keeps, or kept before."""

    study_uid: str = field(metadata=STUDY)
    """The Study Instance UID."""
    series_uid: str = field(metadata=SERIES)
    """The Series Instance UID."""
    hold: Hold
    """The hold."""
    instances: tuple[str, ...] = field(metadata=INSTANCES)
    """Their SOP Instance UIDs."""
    is_free: bool = field(default=False, metadata=as_json(key="free"))
    """Whether the hold no longer covers them, so that they are to be deleted."""


@dataclass(frozen=True, slots=True)
class ReappearedSeen(OfInstance):
    """An instance to delete that an earlier run removed and that reappeared."""

    run: str
    """The apply that removed it."""
    code: ReasonCode
    """The code of the reason for its removal."""
    restored: bool
    """Whether it was restored and the files still ask for the removal that was undone."""


@dataclass(frozen=True, slots=True)
class GateSeen:
    """A gate of one store."""

    name: GateName
    """The gate."""
    store: int
    """The store, as an index into those of the run's first record."""
    actual: int
    """The count in the plan."""
    allowed: int
    """The limit."""
    studies: tuple[str, ...] = field(default=(), metadata=STUDIES)
    """The studies over the limit, if it applies per study."""

    @property
    def is_passed(self) -> bool:
        """Whether it let the plan pass."""
        return self.actual <= self.allowed


@dataclass(frozen=True, slots=True)
class PlanEnded:
    """The last record of a plan: its decisions and gates."""

    time: datetime
    """When it was recorded."""
    counts: Mapping[Why, int]
    """The number of decisions by reason."""
    gates: tuple[GateSeen, ...]
    """The gates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryStarted(Start):
    """The first record of a query that reads image bytes."""


@dataclass(frozen=True, slots=True)
class Retrieved(OfInstance):
    """A request for the bytes of an instance."""

    problem: str = ""
    """Why they were not fully retrieved; empty if they were."""


@dataclass(frozen=True, slots=True)
class QueryEnded:
    """The last record of a query that ended by itself."""

    time: datetime
    """When it ended."""
    retrieved: int
    """How many instances were retrieved completely."""
    problems: int
    """How many were not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingDone(Start):
    """The only record of an apply or a restore that ended before it did anything."""

    command: str
    """The command, `apply` or `restore`."""
    plan_id: str | None
    """The id of the plan; null for a restore, and if the plan file had been modified."""
    digest: str | None
    """The digest of the plan; null as `plan_id`."""
    exit_code: int
    """3 if it was refused, 0 if there was nothing to do, otherwise that of the error."""
    detail: str
    """The reason in words."""


LastReadOnly = PlanEnded | QueryEnded | NothingDone
FirstReadOnly = PlanMade | QueryStarted | NothingDone
ReadOnlyRecord = (
    FirstReadOnly | KeptSeen | OverriddenSeen | ReappearedSeen | PlanEnded | Retrieved | QueryEnded
)
