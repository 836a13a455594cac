"""What became of an archived instance that was to be put back, and of a whole restore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import Reason
from reconciler.model.outcome import RunState
from reconciler.model.problem import Source


class RestoreOutcome(Enum):
    """How the restore of one instance ended; the counts add up to what was to be restored."""

    IDENTICAL = "identical"
    """The store gives the bytes that were archived."""
    SAME_DATASET = "same_dataset"
    """Only the preamble or the File Meta Information differ (PS3.10 section 7.1)."""
    CONFLICT = "conflict"
    """The store holds other content under this address."""
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    NOT_ATTEMPTED = "not_attempted"

    @property
    def is_restored(self) -> bool:
        """Whether the archived dataset is proven to be in the store."""
        return self in {RestoreOutcome.IDENTICAL, RestoreOutcome.SAME_DATASET}


@dataclass(frozen=True, slots=True)
class ArchivedInstance:
    """An instance as a run archived it, and where its removal was declared.

    ``path`` is that of the file below the ``archive``'s folder, with / between its parts, as the
    record has it: `file` is for messages, and what is read is opened part by part. ``size`` is in
    bytes; ``damage`` says in what the copy was not whole.
    """

    run: str
    store: StoreAddress
    instance: InstanceAddress
    archive: Path
    path: str
    sha256: str
    size: int
    source: Source
    reason: Reason
    damage: str = ""

    @property
    def file(self) -> Path:
        """Where it should lie."""
        return self.archive / self.path


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """One archived instance and what became of it; ``detail`` never holds patient data."""

    archived: ArchivedInstance
    outcome: RestoreOutcome
    detail: str = ""

    @property
    def place(self) -> tuple[StoreAddress, InstanceAddress]:
        """What results are sorted by."""
        return self.archived.store, self.archived.instance


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """The result of a restore, over all that was to be restored, earlier restores included.

    ``restores`` are the runs whose archives are put back; ``not_restored`` names every instance
    whose archived dataset is not proven to be in the store. A restore that found nothing left to
    do has no ``journal_head``. ``taken_over`` is how many an earlier restore has put back, and this
    one has not looked at.
    """

    run: str
    restores: tuple[str, ...]
    state: RunState
    started: datetime
    ended: datetime
    counts: Mapping[RestoreOutcome, int]
    not_restored: tuple[RestoreResult, ...]
    stopped_because: str | None = None
    resumed: tuple[str, ...] = ()
    journal_head: str | None = None
    taken_over: int = 0

    @property
    def planned(self) -> int:
        """How many instances were to be restored."""
        return sum(self.counts.values())

    @property
    def is_success(self) -> bool:
        """Whether every archived dataset is proven to be in the store."""
        return all(outcome.is_restored or not count for outcome, count in self.counts.items())
