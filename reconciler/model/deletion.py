"""One deletion as it is on record, with what an auditor asks about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.as_json import as_json
from reconciler.model.desired import Reason
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome
from reconciler.model.problem import Source
from reconciler.model.provenance import Provenance


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """The apply that a deletion belongs to; ``digest`` is that of its plan."""

    run: str
    tool_version: str
    plan_id: str
    digest: str
    endpoint: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class ArchivedCopy:
    """Where the instance was kept before it was deleted, and the SHA-256 of that file.

    ``path`` is that of the file below the ``archive``'s folder, as the record has it: `file` is
    for messages. ``damage`` says in what the copy was not whole.
    """

    archive: Path
    path: str
    sha256: str
    damage: str = ""

    @property
    def file(self) -> Path:
        """Where it was written."""
        return self.archive / self.path


@dataclass(frozen=True, slots=True)
class RecordedReply:
    """What a DELETE was answered: the HTTP status, None without one, and the request's id."""

    status: int | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class RecordedDeletion:
    """What became of one instance in one run, the one that sent the DELETE.

    ``time`` is that of the proof, in UTC, or of the last attempt where none is on record; then
    the outcome is unconfirmed. ``presence`` is what the retrieve after the last attempt saw, None
    where none is on record. ``answers`` are those of all attempts, in their order. ``settled_by``
    names the later run that closed an open attempt by looking. ``is_removal`` says that a DELETE of
    the run removed it; ``place`` is that of the run in the order of all runs, ``proven_at`` that of
    the run that looked. ``patient`` is the pseudonym of the instance's patient, where a key was
    configured. ``empties_study`` says that this was the last of
    all deletions that leave nothing of the study, and that each of them is proven. ``restored_by``
    names the run that put the instance back later. ``reason`` and ``source`` are None where
    the record of the run is not there.
    """

    run: RecordedRun = field(metadata=as_json(is_left=True))
    time: datetime
    store: StoreAddress
    instance: InstanceAddress
    outcome: Outcome
    presence: Presence | None
    detail: str = ""
    attempts: int = 0
    answers: tuple[RecordedReply, ...] = ()
    source: Source | None = None
    reason: Reason | None = None
    settled_by: str | None = None
    is_removal: bool = False
    place: int = field(default=0, metadata=as_json(is_left=True))
    proven_at: int = field(default=0, metadata=as_json(is_left=True))
    copy: ArchivedCopy | None = field(default=None, metadata=as_json(key="archived"))
    patient: str | None = None
    empties_study: bool = False
    restored_by: str | None = None

    @property
    def actor(self) -> str | None:
        """The principal that the store authenticated for the attempts."""
        return self.run.provenance.actor

    @property
    def status(self) -> int | None:
        """The HTTP status of the last answer on record."""
        return self.answers[-1].status if self.answers else None

    @property
    def request_id(self) -> str | None:
        """The id of the last request whose answer is on record."""
        return self.answers[-1].request_id if self.answers else None

    @property
    def is_event(self) -> bool:
        """Whether it is a delete event: a DELETE of ours that did not find the instance gone."""
        is_sent = self.attempts > 0 or self.settled_by is not None
        return is_sent and self.outcome is not Outcome.ALREADY_ABSENT
