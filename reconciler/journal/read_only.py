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
    """This making of the plan."""
    digest: str
    """The digest of the plan."""
    paths: tuple[str, ...] = ()
    """The PATHs that were planned."""


@dataclass(frozen=True, slots=True)
class KeptSeen(OfStore):
    """A keep entry, how many instances of it the store had at this time, and how many it lacked."""

    study_uid: str = field(metadata=STUDY)
    """The Study Instance UID."""
    series_uid: str | None = field(metadata=SERIES)
    """The Series Instance UID; null for a whole study."""
    instances: int
    """How many instances of it the store had."""
    source: Source
    """Where the files declare the keep."""
    hold: Hold | None = None
    """Why nobody may remove it."""
    missing: int = 0
    """How many instances that the entry names the store lacked; of a whole series or study that was
    not there, 1."""
    overridden: int = 0
    """How many of its instances the files ask to remove all the same."""


@dataclass(frozen=True, slots=True)
class OverriddenSeen(OfStore):
    """Instances of a series that the files ask to remove, and that a hold keeps, or kept before."""

    study_uid: str = field(metadata=STUDY)
    """The Study Instance UID."""
    series_uid: str = field(metadata=SERIES)
    """The Series Instance UID."""
    hold: Hold
    """The hold."""
    instances: tuple[str, ...] = field(metadata=INSTANCES)
    """Their SOP Instance UIDs."""
    is_free: bool = field(default=False, metadata=as_json(key="free"))
    """Whether the hold covers them no longer, so that they are to be deleted."""


@dataclass(frozen=True, slots=True)
class ReappearedSeen(OfInstance):
    """An instance to delete that an earlier run removed, and that was there again."""

    run: str
    """The apply that removed it."""
    code: ReasonCode
    """The code of the reason that asks for its removal."""
    restored: bool
    """Whether a restore put it back, and the files still ask for the removal that was undone."""


@dataclass(frozen=True, slots=True)
class GateSeen:
    """How a gate of one store stood."""

    name: GateName
    """The gate."""
    store: int
    """The store, as an index into those of the run's first record."""
    actual: int
    """The number in the plan."""
    allowed: int
    """What is allowed."""
    studies: tuple[str, ...] = field(default=(), metadata=STUDIES)
    """The studies that are over the limit, where it is one on each study."""

    @property
    def is_passed(self) -> bool:
        """Whether it let the plan pass."""
        return self.actual <= self.allowed


@dataclass(frozen=True, slots=True)
class PlanEnded:
    """The last record of a plan: what was decided, and the gates that it was held to."""

    time: datetime
    """When it was recorded."""
    counts: Mapping[Why, int]
    """The decisions by why they fell."""
    gates: tuple[GateSeen, ...]
    """How the gates stood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryStarted(Start):
    """The first record of a query that reads image bytes."""


@dataclass(frozen=True, slots=True)
class Retrieved(OfInstance):
    """The bytes of an instance were asked for."""

    problem: str = ""
    """Why they did not come as a whole."""


@dataclass(frozen=True, slots=True)
class QueryEnded:
    """The last record of a query that came to its end."""

    time: datetime
    """When it ended."""
    retrieved: int
    """How many instances came as a whole."""
    problems: int
    """How many did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingDone(Start):
    """The only record of an apply or a restore that ended before it did anything."""

    command: str
    """What was run, `apply` or `restore`."""
    plan_id: str | None
    """The making of the plan; null for a restore, and where the plan's file was not as it was
    written."""
    digest: str | None
    """The digest of the plan; null as `plan_id`."""
    exit_code: int
    """3 where it was refused, 0 where there was nothing to do, else why it could not begin."""
    detail: str
    """Why, in words."""


LastReadOnly = PlanEnded | QueryEnded | NothingDone
FirstReadOnly = PlanMade | QueryStarted | NothingDone
ReadOnlyRecord = (
    FirstReadOnly | KeptSeen | OverriddenSeen | ReappearedSeen | PlanEnded | Retrieved | QueryEnded
)
