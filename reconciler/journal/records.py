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
    """This making of the plan."""
    digest: str
    """The digest of the plan."""
    planned: int
    """How many deletions are planned."""
    resumes: tuple[str, ...] = ()
    """The earlier runs of the same plan."""
    expires: datetime | None = None
    """When the plan can no longer be resumed."""
    part_of: PartOf | None = None
    """The plan in shards of which this plan is one."""
    task: str | None = None
    """The command that applied this shard, by the `run` of its report and of its locks."""


@dataclass(frozen=True, slots=True)
class EmptiedStudy(OfStore):
    """A study of which the plan leaves nothing; these records follow on the first of the run."""

    study_uid: str = field(metadata=STUDY)
    """The Study Instance UID."""
    deletions: int
    """How many deletions that takes."""


@dataclass(frozen=True, slots=True)
class LeftDangling(OfInstance):
    """An instance that stays and refers to what the plan deletes.

    These records follow on the first of the run.
    """

    instances: int
    """How many instances it refers to that the plan deletes."""
    series: int
    """How many series that the plan empties it names without naming an instance of them."""
    kept_by: Source | None = None
    """Where the files keep it; there is none for one that is in no file."""


@dataclass(frozen=True, slots=True)
class Intent(OfInstance):
    """From now on a request that changes the store may leave; it is on disk before that.

    ``source``, ``reason`` and ``patient`` stand on the first attempt to delete an instance.
    """

    attempt: int
    """Counts the requests for this instance in this run from 1."""
    source: Source | None = None
    """Where the files declare the removal; on the first attempt."""
    reason: Reason | None = field(default=None, metadata=as_json(is_shared=True))
    """Why the instance is removed; on the first attempt."""
    patient: PatientSeen | None = None
    """Whose the instance is, on the first attempt, where a key was given."""
    action: Change = Change.DELETE
    """What the request is to do."""

    def __post_init__(self) -> None:
        if (self.source is None) is not (self.reason is None):
            raise ValueError("'source' and 'reason' stand together")


@dataclass(frozen=True, slots=True)
class Result(OfInstance):
    """What the store answered to one request that changes it."""

    attempt: int
    """Which request for this instance in this run."""
    kind: ReplyKind
    """What follows from the answer, by the tables of replies in docs/design.md."""
    status: int | None
    """The HTTP status; null where no answer came."""
    detail: str = ""
    """The answer in words."""
    request_id: str | None = None
    """The X-Request-Id of the request, by which the provider's audit log has it too."""


@dataclass(frozen=True, slots=True)
class Verified(OfInstance):
    """What the retrieve probe saw after the last attempt, or instead of one.

    ``source`` and ``reason`` stand where no intent of the run has them: no DELETE was sent.
    """

    presence: Presence
    """What the probe saw."""
    outcome: Outcome
    """How the instance ended."""
    detail: str = ""
    """Why, in words."""
    source: Source | None = None
    """Where the files declare the removal, if the run sent no DELETE."""
    reason: Reason | None = field(default=None, metadata=as_json(is_shared=True))
    """Why the files ask for the removal, if the run sent no DELETE."""

    def __post_init__(self) -> None:
        if (self.source is None) is not (self.reason is None):
            raise ValueError("'source' and 'reason' stand together")


@dataclass(frozen=True, slots=True)
class Settled:
    """An attempt that an earlier run left open, it may be another plan's, closed by probing."""

    time: datetime
    """When it was recorded."""
    run: str
    """The run that left it open."""
    store: StoreAddress
    """The store."""
    instance: InstanceAddress
    """The instance."""
    presence: Presence
    """What the probe saw."""
    outcome: Outcome
    """How the instance ended."""
    detail: str = ""
    """Why, in words."""


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last record of an apply or a restore that came to its end."""

    time: datetime
    """When it ended."""
    state: RunState
    """How far the run came."""
    counts: Mapping[Outcome, int]
    """How many instances ended in which way, over the whole plan or all that was archived."""
    exit_code: int
    """The exit code of the command."""
    stopped_because: str | None = None
    """Why it stopped, where something stopped it."""
    taken_over: int = 0
    """How many of those that are proven an earlier run has proven, and not this one."""


@dataclass(frozen=True, slots=True)
class Fenced:
    """The last record of a run that another one took over; the other one wrote it."""

    time: datetime
    """When it was recorded."""
    by: Holder
    """Who took its stores over."""


@dataclass(frozen=True, slots=True)
class Archived(OfInstance):
    """An instance is kept, verified and on disk; the record is so too before the DELETE leaves."""

    archive: str
    """The archive's folder; the bag is the folder in it that is named like the run."""
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
    """The size in bytes in the store's own account of how it keeps the instance, where it says
    so; it is not the length that its answer announced."""
    damage: str = ""
    """In what the copy is not whole, which the files allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreStarted(Start):
    """The first record of a restore."""

    restores: tuple[str, ...]
    """The runs whose archives are put back, the one that was asked for last."""
    planned: int
    """How many instances are to be restored."""
    resumes: tuple[str, ...] = ()
    """The earlier restores of that run."""

    def __post_init__(self) -> None:
        if not self.restores:
            raise ValueError("'restores' names no run")


@dataclass(frozen=True, slots=True)
class AskedFor:
    """An instance that a restore was asked to put back, where it is not all of them.

    These records follow on the first of the run.
    """

    time: datetime
    """When it was recorded."""
    instance_uid: str = field(metadata=INSTANCE)
    """The SOP Instance UID."""


@dataclass(frozen=True, slots=True)
class Restored(OfInstance):
    """What became of one instance, after it was retrieved again and compared."""

    run: str
    """The run that archived it."""
    outcome: Outcome
    """How the instance ended."""
    source: Source
    """Where the removal that is undone was declared."""
    reason: Reason = field(metadata=as_json(is_shared=True))
    """Why it was removed."""
    detail: str = ""
    """Why, in words."""


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
