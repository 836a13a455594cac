"""What the journal holds: one frozen value for each type of record; see `bases`.

These are those of applies and restores; `read_only` has the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.journal.bases import OfInstance, OfStore, Start
from reconciler.journal.read_only import (
    FirstReadOnly,
    KeptSeen,
    LastReadOnly,
    NothingDone,
    OverriddenSeen,
    PlanEnded,
    PlanMade,
    QueryEnded,
    QueryStarted,
    ReadOnlyRecord,
    ReappearedSeen,
    Retrieved,
)
from reconciler.model.address import INSTANCE, STUDY, InstanceAddress, StoreAddress
from reconciler.model.as_json import as_json
from reconciler.model.desired import Reason
from reconciler.model.live import Presence
from reconciler.model.lock import Holder
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.patient import PatientSeen
from reconciler.model.plan import PartOf
from reconciler.model.problem import Source
from reconciler.model.reply import Change, ReplyKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Start):
    """The first record of an apply."""

    plan_id: str
    """The random id of the plan."""
    digest: str
    """The digest of the plan."""
    planned: int
    """How many deletions are planned."""
    resumes: tuple[str, ...] = ()
    """The earlier runs of the same plan."""
    expires: datetime | None = None
    """When the plan expires."""
    part_of: PartOf | None = None
    """The plan in shards that this plan is a shard of."""
    task: str | None = None
    """The command that applied this shard: the `run` of its report and of its locks."""


@dataclass(frozen=True, slots=True)
class EmptiedStudy(OfStore):
    """A study that the plan empties. These records follow the first record of the run."""

    study_uid: str = field(metadata=STUDY)
    """The Study Instance UID."""
    deletions: int
    """How many deletions empty it."""


@dataclass(frozen=True, slots=True)
class LeftDangling(OfInstance):
    """An instance that stays and refers to deleted instances.

    These records follow on the first of the run.
    """

    instances: int
    """How many of the deleted instances it refers to."""
    series: int
    """How many of the emptied series it refers to without naming an instance of them."""
    kept_by: Source | None = None
    """The line that keeps it, if a file does."""


@dataclass(frozen=True, slots=True)
class Intent(OfInstance):
    """A request that changes the store may be sent from now on. The record is on disk before that.

    ``source``, ``reason`` and ``patient`` stand on the first attempt to delete an instance.
    """

    attempt: int
    """The number of the request for this instance in this run, from 1."""
    source: Source | None = None
    """Where the files declare the removal; on the first attempt."""
    reason: Reason | None = field(default=None, metadata=as_json(is_shared=True))
    """Why the instance is removed; on the first attempt."""
    patient: PatientSeen | None = None
    """The pseudonym of the patient, on the first attempt, if a key was given."""
    action: Change = Change.DELETE
    """What the request does."""

    def __post_init__(self) -> None:
        if (self.source is None) is not (self.reason is None):
            raise ValueError("'source' and 'reason' stand together")


@dataclass(frozen=True, slots=True)
class Result(OfInstance):
    """The store's answer to one request that changes it."""

    attempt: int
    """The number of the request for this instance in this run."""
    kind: ReplyKind
    """The kind of the answer, by the tables of replies in docs/design.md."""
    status: int | None
    """The HTTP status; null if no answer came."""
    detail: str = ""
    """The answer in words."""
    request_id: str | None = None
    """The X-Request-Id of the request, which the provider's audit log records too."""


@dataclass(frozen=True, slots=True)
class Verified(OfInstance):
    """What the probe after the last attempt observed, or a probe instead of an attempt.

    ``source`` and ``reason`` stand where no intent of the run has them: no DELETE was sent.
    """

    presence: Presence
    """What the probe observed."""
    outcome: Outcome
    """The outcome of the instance."""
    detail: str = ""
    """The reason in words."""
    source: Source | None = None
    """Where the files declare the removal, if the run sent no DELETE."""
    reason: Reason | None = field(default=None, metadata=as_json(is_shared=True))
    """Why the files ask for the removal, if the run sent no DELETE."""

    def __post_init__(self) -> None:
        if (self.source is None) is not (self.reason is None):
            raise ValueError("'source' and 'reason' stand together")


@dataclass(frozen=True, slots=True)
class Settled:
    """An attempt that an earlier run left open, of this or another plan, settled by a probe."""

    time: datetime
    """When it was recorded."""
    run: str
    """The run that left it open."""
    store: StoreAddress
    """The store."""
    instance: InstanceAddress
    """The instance."""
    presence: Presence
    """What the probe observed."""
    outcome: Outcome
    """The outcome of the instance."""
    detail: str = ""
    """The reason in words."""


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last record of an apply or a restore that ended by itself."""

    time: datetime
    """When it ended."""
    state: RunState
    """The final state of the run."""
    counts: Mapping[Outcome, int]
    """The number of instances by outcome, over the whole plan or all archived instances."""
    exit_code: int
    """The exit code of the command."""
    stopped_because: str | None = None
    """Why it stopped early, if it did."""
    taken_over: int = 0
    """How many of the proven instances an earlier run has proven, not this one."""


@dataclass(frozen=True, slots=True)
class Fenced:
    """The last record of a run whose stores another run took over. The other run wrote it."""

    time: datetime
    """When it was recorded."""
    by: Holder
    """Who took its stores over."""


@dataclass(frozen=True, slots=True)
class Archived(OfInstance):
    """A verified copy of an instance is on disk; so is this record before the DELETE is sent."""

    archive: str
    """The archive's folder. The bag is the subfolder named after the run."""
    path: str
    """The file in the bag, with / between its parts."""
    sha256: str
    """The SHA-256 of the file."""
    size: int
    """The size of the file in bytes."""
    source: Source
    """Where the files declare the removal."""
    reason: Reason = field(metadata=as_json(is_shared=True))
    """Why the instance is removed."""
    reported_size: int | None = None
    """The size in bytes that the store reports for the stored instance, if it does; not the
    length of its answer."""
    damage: str = ""
    """How the copy is damaged, as the files allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreStarted(Start):
    """The first record of a restore."""

    restores: tuple[str, ...]
    """The runs whose archives are restored, the requested run last."""
    planned: int
    """How many instances are to be restored."""
    resumes: tuple[str, ...] = ()
    """The earlier restores of that run."""

    def __post_init__(self) -> None:
        if not self.restores:
            raise ValueError("'restores' names no run")


@dataclass(frozen=True, slots=True)
class AskedFor:
    """An instance that a restore was limited to.

    These records follow on the first of the run.
    """

    time: datetime
    """When it was recorded."""
    instance_uid: str = field(metadata=INSTANCE)
    """The SOP Instance UID."""


@dataclass(frozen=True, slots=True)
class Restored(OfInstance):
    """The outcome of one instance, after it was retrieved and compared."""

    run: str
    """The run that archived it."""
    outcome: Outcome
    """The outcome of the instance."""
    source: Source
    """Where the files declared the removal that is undone."""
    reason: Reason = field(metadata=as_json(is_shared=True))
    """The reason for its removal."""
    detail: str = ""
    """The reason in words."""


Record = (
    RunStarted
    | RestoreStarted
    | EmptiedStudy
    | LeftDangling
    | AskedFor
    | Archived
    | Intent
    | Result
    | Verified
    | Settled
    | Restored
    | RunEnded
    | Fenced
    | ReadOnlyRecord
)

LastRecord = RunEnded | Fenced | LastReadOnly
"""What a run ends with that is over; nothing stands after it."""

FirstRecord = RunStarted | RestoreStarted | FirstReadOnly
"""What a journal begins with."""

RECORDS: Mapping[str, type[Record]] = {
    "run_started": RunStarted,
    "emptied_study": EmptiedStudy,
    "left_dangling": LeftDangling,
    "archived": Archived,
    "intent": Intent,
    "result": Result,
    "verified": Verified,
    "settled": Settled,
    "run_ended": RunEnded,
    "fenced": Fenced,
    "restore_started": RestoreStarted,
    "asked_for": AskedFor,
    "restored": Restored,
    "plan_made": PlanMade,
    "kept_seen": KeptSeen,
    "overridden_seen": OverriddenSeen,
    "reappeared_seen": ReappearedSeen,
    "plan_ended": PlanEnded,
    "query_started": QueryStarted,
    "retrieved": Retrieved,
    "query_ended": QueryEnded,
    "nothing_done": NothingDone,
}
"""The class of each ``type``."""
