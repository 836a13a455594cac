"""What the record says of an instance: what moved it last, and where a copy of it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import Reason
from reconciler.model.outcome import InstanceResult, Outcome
from reconciler.model.problem import Source


class Removed(NamedTuple):
    """A DELETE of ``run`` removed an instance; ``place`` is that of the run in their order."""

    run: str
    place: int


class PutBack(NamedTuple):
    """``restore`` put an instance back that ``run`` had removed and archived, and proved it.

    ``source`` and ``reason`` are those that the files gave for the removal then. ``is_there`` is
    false where a later run found the instance gone, though no DELETE of ours removed it.
    """

    run: str
    restore: str
    place: int
    outcome: Outcome
    source: Source
    reason: Reason
    is_there: bool = True


LastWord = Removed | PutBack


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

    def result(self, outcome: Outcome, detail: str = "") -> InstanceResult:
        """What became of it in a restore."""
        return InstanceResult(self.store, self.instance, outcome, detail, self.file)
