"""One deletion as the record tells it, with what an auditor asks about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciler.model.address import InstanceAddress, StoreAddress
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
    """Where the instance was kept before it was deleted, and the SHA-256 of that file."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class RecordedDeletion:
    """What became of one instance in one run.

    ``time`` is that of the proof, in UTC, or of the last attempt where none is on record; then
    the outcome is unconfirmed. ``presence`` is what the retrieve after the last attempt saw.
    ``status`` and ``request_id`` are those of the last attempt, ``attempted_by`` is the principal
    that the store authenticated for it. ``settles`` names the earlier run whose open attempt was
    closed by looking. ``patient`` is the pseudonym of the study's patient, where a key was
    configured. ``empties_study`` says that the plan left nothing of the study, and that
    every deletion of it is proven. ``reason`` and ``source`` are None in a record of format 1.0.
    """

    run: RecordedRun
    time: datetime
    store: StoreAddress
    instance: InstanceAddress
    outcome: Outcome
    presence: Presence
    detail: str = ""
    attempts: int = 0
    status: int | None = None
    request_id: str | None = None
    source: Source | None = None
    reason: Reason | None = None
    attempted_by: str | None = None
    settles: str | None = None
    copy: ArchivedCopy | None = None
    patient: str | None = None
    empties_study: bool = False

    @property
    def attempted_in(self) -> str:
        """The run that sent the DELETE."""
        return self.settles or self.run.run
