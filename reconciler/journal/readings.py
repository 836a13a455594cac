"""The records of runs that change no store: plans, queries that read image bytes, and refusals.

They stand in a folder of their own, so that no reader of deletions has to pass over them. What is
said in `records` of times and of ``store`` holds here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.journal.format import FORMAT_VERSION
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import ReasonCode
from reconciler.model.gate import GateName
from reconciler.model.plan import Why
from reconciler.model.problem import Source
from reconciler.model.provenance import Provenance


@dataclass(frozen=True, slots=True)
class PlanMade:
    """The first record of a plan: which one, and from what; see `records.RunStarted`."""

    run: str
    time: datetime
    tool_version: str
    plan_id: str
    digest: str
    endpoint: str
    stores: tuple[StoreAddress, ...]
    after: tuple[str, ...] = ()
    previous_head: str | None = None
    previous_reading: str | None = None
    provenance: Provenance = field(default_factory=Provenance)
    format_version: str = FORMAT_VERSION


@dataclass(frozen=True, slots=True)
class KeptSeen:
    """A keep entry, how many instances of it the store had at this time, and how many it lacked.

    ``series_uid`` is None for a whole study; ``hold`` says in words why it is kept. Of a whole that
    is not there one is ``missing``.
    """

    time: datetime
    store: int
    study_uid: str
    series_uid: str | None
    instances: int
    source: Source
    hold: str | None = None
    missing: int = 0


@dataclass(frozen=True, slots=True)
class ReturnedSeen:
    """An instance to delete that ``run`` removed before, and that was there again; see `Returned`.

    ``run`` is an apply, ``restored`` says that a restore put it back.
    """

    time: datetime
    store: int
    instance: InstanceAddress
    run: str
    code: ReasonCode
    restored: bool


@dataclass(frozen=True, slots=True)
class GateSeen:
    """How a gate of one store stood; ``study_uid`` is that of a gate on one study."""

    name: GateName
    store: int
    actual: int
    allowed: int
    study_uid: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it let the plan pass."""
        return self.actual <= self.allowed


@dataclass(frozen=True, slots=True)
class PlanEnded:
    """The last record of a plan: what was decided, and the gates that it was held to.

    Of the gates on single studies only the closed ones are named.
    """

    time: datetime
    counts: Mapping[Why, int]
    gates: tuple[GateSeen, ...]


@dataclass(frozen=True, slots=True)
class QueryStarted:
    """The first record of a query that reads image bytes; see `PlanMade`."""

    run: str
    time: datetime
    tool_version: str
    endpoint: str
    stores: tuple[StoreAddress, ...]
    after: tuple[str, ...] = ()
    previous_head: str | None = None
    previous_reading: str | None = None
    provenance: Provenance = field(default_factory=Provenance)
    format_version: str = FORMAT_VERSION


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The bytes of an instance were asked for, and came as a whole where ``problem`` is empty."""

    time: datetime
    store: int
    instance: InstanceAddress
    problem: str = ""


@dataclass(frozen=True, slots=True)
class QueryEnded:
    """The last record of a query that came to its end."""

    time: datetime
    retrieved: int
    problems: int


@dataclass(frozen=True, slots=True)
class NothingDone:
    """The only record of an apply or a restore that ended before it did anything; see `PlanMade`.

    ``command`` is ``apply`` or ``restore``. ``exit_code`` says whether it was refused, failed, or
    had nothing to do, ``detail`` why, in words. ``plan_id`` and ``digest`` are None for a restore,
    and where the plan's file was not as it was written; then ``endpoint`` is empty, too.
    """

    run: str
    time: datetime
    tool_version: str
    command: str
    plan_id: str | None
    digest: str | None
    endpoint: str
    stores: tuple[StoreAddress, ...]
    exit_code: int
    detail: str
    after: tuple[str, ...] = ()
    previous_head: str | None = None
    previous_reading: str | None = None
    provenance: Provenance = field(default_factory=Provenance)
    format_version: str = FORMAT_VERSION


LastReading = PlanEnded | QueryEnded | NothingDone
FirstReading = PlanMade | QueryStarted | NothingDone
ReadingRecord = FirstReading | KeptSeen | ReturnedSeen | PlanEnded | Retrieved | QueryEnded
