"""What the journal holds: one frozen value for each type of record.

Times are UTC and are written in milliseconds. ``store`` is an index into the stores of the run's
first record, ``attempt`` counts the DELETEs (or requests that store) of one instance in one run
from 1, ``detail`` never holds patient data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.journal.format import FORMAT_VERSION
from reconciler.journal.readings import FirstReading, LastReading, ReadingRecord
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import Reason
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.patient import PatientSeen
from reconciler.model.problem import Source
from reconciler.model.provenance import Provenance
from reconciler.model.reply import ReplyKind, StoreReplyKind
from reconciler.model.restore import RestoreOutcome


@dataclass(frozen=True, slots=True)
class EmptiedStudy:
    """A study of which the plan leaves nothing; ``deletions`` is how many instances that takes."""

    store: int
    study_uid: str
    deletions: int


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The first record of every apply.

    ``expires`` is when the plan can no longer be resumed, None where an older record does not say.
    ``resumes`` names the earlier runs of the same plan, ``after`` the runs that this one comes
    after: those of its folder that no other run came after when it began. ``previous_head`` is the
    head of the latest of them, which chains the runs of a state folder to each other, and
    ``previous_reading`` that of the latest plan or query. ``emptied`` are the studies that the
    whole plan empties.
    """

    run: str
    time: datetime
    tool_version: str
    plan_id: str
    digest: str
    endpoint: str
    stores: tuple[StoreAddress, ...]
    planned: int
    resumes: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    previous_head: str | None = None
    previous_reading: str | None = None
    provenance: Provenance = field(default_factory=Provenance)
    emptied: tuple[EmptiedStudy, ...] = ()
    expires: datetime | None = None
    format_version: str = FORMAT_VERSION


@dataclass(frozen=True, slots=True)
class Intent:
    """From now on a DELETE may leave; it is on disk before the request does.

    ``source`` and ``reason`` are those of the removal that the files declare, ``patient`` says
    whose the instance is, where a key was given. They stand once an instance, on its first attempt.
    """

    time: datetime
    store: int
    instance: InstanceAddress
    attempt: int
    source: Source | None = None
    reason: Reason | None = None
    patient: PatientSeen | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What the store answered to one DELETE; ``status`` is the HTTP status, None without one."""

    time: datetime
    store: int
    instance: InstanceAddress
    attempt: int
    kind: ReplyKind
    status: int | None
    detail: str = ""
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """What the retrieve probe saw after the last attempt, and what that makes of the deletion.

    ``source`` and ``reason`` stand as in `Intent`, where no intent of the run has them: no DELETE
    was sent.
    """

    time: datetime
    store: int
    instance: InstanceAddress
    presence: Presence
    outcome: Outcome
    detail: str = ""
    source: Source | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """An intent that the earlier ``run`` left open, closed by probing; it may be another plan's."""

    time: datetime
    run: str
    store: StoreAddress
    instance: InstanceAddress
    presence: Presence
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last record of a run that came to its end; ``counts`` are over the whole plan.

    ``taken_over`` is how many of what is gone an earlier run has proven, and not this one.
    """

    time: datetime
    state: RunState
    counts: Mapping[Outcome, int]
    exit_code: int
    stopped_because: str | None = None
    taken_over: int = 0


@dataclass(frozen=True, slots=True)
class Archived:
    """An instance is kept, verified and on disk; the record is so too before the DELETE leaves.

    ``path`` is relative to the run's bag, ``archive``/run; ``size`` is in bytes, and so is
    ``reported_size``, the store's own account of how the instance is kept (not the length that
    its answer announced), None where it does not say. ``source`` and ``reason`` are those of the
    removal that the files declare. ``damage`` says in what the copy is not whole, which the files
    allow; empty for a whole one.
    """

    time: datetime
    store: int
    instance: InstanceAddress
    archive: str
    path: str
    sha256: str
    size: int
    source: Source
    reason: Reason
    reported_size: int | None = None
    damage: str = ""


@dataclass(frozen=True, slots=True)
class RestoreStarted:
    """The first record of a restore.

    ``restores`` are the runs whose archives are put back, the one that was asked for last;
    ``resumes`` the earlier restores of that run; ``only`` the SOP Instance UIDs that it was asked
    to put back, empty where it is all of them; the rest is as in `RunStarted`.
    """

    run: str
    time: datetime
    tool_version: str
    restores: tuple[str, ...]
    endpoint: str
    stores: tuple[StoreAddress, ...]
    planned: int
    resumes: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    previous_head: str | None = None
    previous_reading: str | None = None
    provenance: Provenance = field(default_factory=Provenance)
    only: tuple[str, ...] = ()
    format_version: str = FORMAT_VERSION


@dataclass(frozen=True, slots=True)
class RestoreIntent:
    """An instance is about to be stored again; on disk before the request leaves."""

    time: datetime
    store: int
    instance: InstanceAddress
    attempt: int


@dataclass(frozen=True, slots=True)
class RestoreReplied:
    """What the store answered to one attempt to store; ``status`` is None without an answer."""

    time: datetime
    store: int
    instance: InstanceAddress
    attempt: int
    kind: StoreReplyKind
    status: int | None
    detail: str = ""
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of one instance, after it was retrieved again and compared.

    ``run`` is the run that archived it; ``source`` and ``reason`` are those of its removal then.
    """

    time: datetime
    store: int
    instance: InstanceAddress
    run: str
    outcome: RestoreOutcome
    source: Source
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RestoreEnded:
    """The last record of a restore; ``counts`` are over all that was to be restored."""

    time: datetime
    state: RunState
    counts: Mapping[RestoreOutcome, int]
    exit_code: int
    stopped_because: str | None = None


ArchiveRecord = Archived | RestoreStarted | RestoreIntent | RestoreReplied | Restored | RestoreEnded
DeletionRecord = RunStarted | Intent | Result | Verified | Settled | RunEnded
Record = DeletionRecord | ArchiveRecord | ReadingRecord

LastRecord = RunEnded | RestoreEnded | LastReading
"""What a run that came to its end ends with; nothing stands after it."""

FirstRecord = RunStarted | RestoreStarted | FirstReading
"""What a journal begins with."""
