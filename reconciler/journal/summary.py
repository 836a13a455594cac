"""What one run leaves behind for those after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from reconciler.errors import JournalError
from reconciler.journal.reader import read_run
from reconciler.journal.readings import FirstReading
from reconciler.journal.records import (
    Intent,
    Record,
    Restored,
    RestoreStarted,
    Result,
    RunEnded,
    RunStarted,
    Settled,
    Verified,
)
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import Reason
from reconciler.model.outcome import Outcome
from reconciler.model.problem import Source
from reconciler.model.reply import ReplyKind
from reconciler.model.restore import RestoreOutcome


class Recorded(NamedTuple):
    """An outcome, and the run whose attempt it is the outcome of."""

    run: str
    store: StoreAddress
    instance: InstanceAddress
    outcome: Outcome


class RestoredRemoval(NamedTuple):
    """An instance that was removed, archived, and put back by a verified restore.

    ``run`` removed and archived it, ``restore`` put it back; ``source`` and ``reason`` are those
    that the files gave for the removal then.
    """

    run: str
    restore: str
    store: StoreAddress
    instance: InstanceAddress
    outcome: RestoreOutcome
    source: Source
    reason: Reason


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An instance that a run meant to delete, and of which it recorded no verification.

    ``replies`` are those to its attempts since the last verification, in their order; None where
    no result was recorded, so that the DELETE may or may not have been sent.
    """

    run: str
    store: StoreAddress
    instance: InstanceAddress
    replies: tuple[ReplyKind | None, ...]


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run, without what later runs settled; what it recorded is in the order of the records.

    A run deletes (``recorded``) or restores (``restored``, what of it is verified).
    ``met_operation`` says that a DELETE was answered with a long-running operation.
    """

    started: RunStarted | RestoreStarted
    head: str
    ended: RunEnded | None
    recorded: tuple[Recorded, ...]
    open_attempts: tuple[OpenAttempt, ...]
    restored: tuple[RestoredRemoval, ...] = ()
    met_operation: bool = False

    @property
    def run(self) -> str:
        """The run's name."""
        return self.started.run


def summarise(path: Path, on_read: Callable[[int], None] | None = None) -> RunSummary | None:
    """Read a run file; None if the run never started. ``on_read`` is as for `read_run`.

    Raises:
        JournalError: the file cannot be read, is broken before its last line, or is not that of an
            apply or a restore.
    """
    records = read_run(path, on_read)
    remaining = iter(records)
    started = next(remaining, None)
    if isinstance(started, FirstReading):
        raise JournalError(
            f"{path}:1: the record of a plan or query lies among those of deletions",
            hint="move it to the folder readings beside it",
        )
    if not isinstance(started, RunStarted | RestoreStarted):
        return None
    fold = _Fold(started)
    fold.add_all(remaining)
    return RunSummary(
        started,
        records.head or "",
        fold.ended,
        tuple(fold.recorded),
        fold.open_attempts(),
        tuple(fold.restored),
        fold.met_operation,
    )


class _Fold:
    """Takes the records of a run one after the other, and keeps only what outlives it."""

    def __init__(self, started: RunStarted | RestoreStarted) -> None:
        self._run = started.run
        self._stores = started.stores
        self._open: dict[tuple[int, InstanceAddress], dict[int, ReplyKind | None]] = {}
        self.recorded: list[Recorded] = []
        self.restored: list[RestoredRemoval] = []
        self.ended: RunEnded | None = None
        self.met_operation = False

    def add_all(self, records: Iterable[Record]) -> None:
        for record in records:
            self._add(record)

    def _add(self, record: Record) -> None:
        match record:
            case Intent():
                replies = self._open.setdefault((record.store, record.instance), {})
                replies[record.attempt] = None
            case Result():
                replies = self._open.get((record.store, record.instance), {})
                replies[record.attempt] = record.kind
                self.met_operation |= record.kind is ReplyKind.OPERATION
            case Verified(store=index, instance=instance, outcome=outcome):
                self._open.pop((index, instance), None)
                self.recorded.append(Recorded(self._run, self._stores[index], instance, outcome))
            case Settled(run=run, store=store, instance=instance, outcome=outcome):
                self.recorded.append(Recorded(run, store, instance, outcome))
            case Restored(outcome=restored) if restored.is_restored:
                self.restored.append(self._restored_removal(record))
            case RunEnded():
                self.ended = record

    def _restored_removal(self, record: Restored) -> RestoredRemoval:
        return RestoredRemoval(
            record.run,
            self._run,
            self._stores[record.store],
            record.instance,
            record.outcome,
            record.source,
            record.reason,
        )

    def open_attempts(self) -> tuple[OpenAttempt, ...]:
        return tuple(
            OpenAttempt(self._run, self._stores[index], instance, tuple(replies.values()))
            for (index, instance), replies in self._open.items()
        )
