"""The fold over the runs of a state folder: attempts, the proofs that close them, and restores.

The one reading of the record that every other is made from. Its rules:

* An attempt begins with its intent and has the place of its run, whenever it is closed. An intent
  whose DELETE is on record as never sent is not an attempt.
* A verification closes the attempts of its own run; one that proves the instance to be gone closes
  those of earlier runs of the same plan too, which it goes on with. A settlement closes the attempt
  of the run that it names, and says nothing of one that is proven already.
* An attempt that is closed without a proof that the instance is gone may have its effect later:
  what proves that for the same plan names it as ``earlier``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from reconciler.errors import BrokenJournal
from reconciler.journal.read_only import FirstReadOnly
from reconciler.journal.records import (
    Archived,
    AskedFor,
    EmptiedStudy,
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
from reconciler.journal.state import RunFile
from reconciler.model.address import InstanceAddress
from reconciler.model.outcome import Outcome
from reconciler.model.reply import Change, ReplyKind
from reconciler.model.service import Store, store_at


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """An apply or a restore; ``place`` counts the runs of the folder in their order, from 0.

    ``stores`` are those of its first record, each at its service.
    """

    started: RunStarted | RestoreStarted
    place: int
    stores: tuple[Store, ...]

    @property
    def name(self) -> str:
        """The run's name."""
        return self.started.run

    @property
    def plan_id(self) -> str | None:
        """The plan that it applies; None of a restore."""
        return self.started.plan_id if isinstance(self.started, RunStarted) else None


@dataclass(slots=True, eq=False)
class Attempt:
    """The DELETEs that one run meant to send for one instance; ``results`` are by their number.

    A result is None where none is on record, so that the DELETE may or may not have been sent.
    """

    run: Run
    store: Store
    first: Intent
    last: Intent
    results: dict[int, Result | None]
    copy: Archived | None = None

    @property
    def instance(self) -> InstanceAddress:
        """What was to be deleted."""
        return self.first.instance

    @property
    def replies(self) -> tuple[ReplyKind | None, ...]:
        """What the store answered to each, in their order."""
        return tuple(one.kind if one else None for one in self.results.values())

    @property
    def may_have_acted(self) -> bool:
        """Whether some DELETE may have had its effect: one was accepted, or had no clear answer."""
        return any(reply is None or not reply.is_clear_no for reply in self.replies)

    @property
    def was_answered(self) -> bool:
        """Whether a reply to one of its DELETEs is on record."""
        return any(result is not None for result in self.results.values())


@dataclass(frozen=True, slots=True)
class Began:
    """A run began."""

    run: Run


@dataclass(frozen=True, slots=True)
class Emptying:
    """The plan of a run empties a study."""

    run: Run
    store: Store
    record: EmptiedStudy


@dataclass(frozen=True, slots=True)
class Proof:
    """What was recorded of an instance that ``run`` was to delete, by a look at the store.

    ``by`` is the run that looked: ``run`` itself, or the later one that settled its attempt.
    ``run`` is None where its own record is not there. ``attempts`` are those that this closes, the
    earliest first, and ``earlier`` those that were closed before without a proof that the instance
    is gone. Both are empty where no DELETE is on record.
    """

    run: Run | None
    by: Run
    store: Store
    record: Verified | Settled
    attempts: tuple[Attempt, ...]
    earlier: tuple[Attempt, ...] = ()

    @property
    def removal(self) -> Run | None:
        """The run whose attempt removed the instance; None if none did."""
        if not self.record.outcome.is_removal:
            return None
        if isinstance(self.record, Settled):
            return self.run
        attempt = self.cause
        return attempt.run if attempt else None

    @property
    def cause(self) -> Attempt | None:
        """The latest attempt that may have removed the instance."""
        acted = [one for one in (*self.earlier, *self.attempts) if one.may_have_acted]
        return acted[-1] if acted else None


@dataclass(frozen=True, slots=True)
class RestoreDone:
    """A restore stored an instance again, or could not."""

    run: Run
    store: Store
    record: Restored


@dataclass(frozen=True, slots=True)
class Read:
    """The record of a run was read to its end.

    ``ended`` is None where it has none. ``met_operation`` says that a DELETE was answered with a
    long-running operation. ``only`` are the SOP Instance UIDs that a restore was asked to put back,
    where it is not all of them; they are all on record once ``has_begun``: once the run has
    recorded more than what it was to do.
    """

    run: Run
    ended: RunEnded | None
    met_operation: bool
    only: tuple[str, ...] = ()
    has_begun: bool = True


@dataclass(frozen=True, slots=True)
class Untried:
    """A run meant to delete an instance, and it is on record that no DELETE of it left."""

    run: Run
    store: Store
    instance: InstanceAddress


Event = Began | Emptying | Proof | Untried | RestoreDone | Read


class _Table:
    """What is not closed of one store's instances, and what was closed without success."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.copies: dict[InstanceAddress, Archived] = {}
        """Those of the run that is read."""
        self.open: dict[InstanceAddress, list[Attempt]] = {}
        self.failed: dict[InstanceAddress, list[Attempt]] = {}


class Records(Protocol):
    """The records of one run, as `RunRecords` reads them."""

    @property
    def file(self) -> RunFile:
        """What they are read from."""

    def __iter__(self) -> Iterator[Record]:
        """Read from first to last."""


class Fold:
    """Takes the runs of a folder one after the other; ``names`` are all of them in their order.

    Memory holds what is open, and what failed.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._places = {name: place for place, name in enumerate(names)}
        self._runs: dict[str, Run] = {}
        self._tables: dict[Store, _Table] = {}

    def add(self, records: Records) -> Iterator[Event]:
        """The events of one run; what is not the record of a started apply or restore has none.

        Raises:
            JournalError: as `reader.RunRecords`; the events before it count.
        """
        reading = iter(records)
        started = next(reading, None)
        if isinstance(started, FirstReadOnly):
            raise BrokenJournal(
                f"{records.file.place}:2",
                "the record of a plan or query lies among those of deletions",
                hint="move it to the folder observations beside it",
            )
        if not isinstance(started, RunStarted | RestoreStarted):
            return
        run = self._begin(started)
        yield Began(run)
        tables = [self._table(store) for store in run.stores]
        ended: RunEnded | None = None
        met_operation = has_begun = False
        only: list[str] = []
        for record in reading:
            has_begun |= not isinstance(record, EmptiedStudy | AskedFor)
            if isinstance(record, RunEnded):
                ended = record
            elif isinstance(record, Result):
                met_operation |= record.kind is ReplyKind.OPERATION
            elif isinstance(record, AskedFor):
                only.append(record.instance_uid)
            yield from self._take(run, tables, record)
        for table in tables:
            for instance in table.copies:
                yield Untried(run, table.store, instance)
            table.copies.clear()
        yield Read(run, ended, met_operation, tuple(only), has_begun)

    def open_attempts(self) -> Iterator[Attempt]:
        """The attempts that nothing has closed, store by store."""
        for table in self._tables.values():
            for attempts in table.open.values():
                yield from attempts

    def failed_attempts(self) -> Iterator[Attempt]:
        """The attempts that were closed without a proof that the instance is gone."""
        for table in self._tables.values():
            for attempts in table.failed.values():
                yield from attempts

    def _begin(self, started: RunStarted | RestoreStarted) -> Run:
        stores = tuple(store_at(started.endpoint, store) for store in started.stores)
        run = self._runs[started.run] = Run(started, self._places[started.run], stores)
        return run

    def _table(self, store: Store) -> _Table:
        return self._tables.setdefault(store, _Table(store))

    def _take(self, run: Run, tables: Sequence[_Table], record: Record) -> Iterable[Event]:
        match record:
            case Intent(action=Change.DELETE):
                _open(run, tables[record.store], record)
            case Result():
                attempt = _of_run(run.name, tables[record.store].open.get(record.instance, ()))
                if attempt is not None:
                    attempt.results[record.attempt] = record
            case Verified():
                return _verify(run, tables[record.store], record)
            case Settled():
                return self._settle(run, record)
            case EmptiedStudy():
                return (Emptying(run, tables[record.store].store, record),)
            case Archived():
                tables[record.store].copies[record.instance] = record
            case Restored():
                return (RestoreDone(run, tables[record.store].store, record),)
        return ()

    def _settle(self, by: Run, record: Settled) -> Iterable[Proof]:
        """Close the attempt that is named, if it is not proven already."""
        table = self._table(store_at(by.started.endpoint, record.store))
        run = self._runs.get(record.run)
        attempt = _of_run(record.run, table.open.get(record.instance, ()))
        if attempt is not None:
            _take_out(table.open, [attempt])
        elif run is not None and not _of_run(record.run, table.failed.get(record.instance, ())):
            return ()
        return (_proof(run, by, table, record, [attempt] if attempt else []),)


def _open(run: Run, table: _Table, intent: Intent) -> None:
    attempts = table.open.setdefault(intent.instance, [])
    attempt = _of_run(run.name, attempts)
    if attempt is None:
        copy = table.copies.pop(intent.instance, None)
        attempts.append(Attempt(run, table.store, intent, intent, {intent.attempt: None}, copy))
    else:
        attempt.last = intent
        attempt.results[intent.attempt] = None


def _verify(run: Run, table: _Table, record: Verified) -> Iterable[Proof | Untried]:
    table.copies.pop(record.instance, None)
    known = table.open.get(record.instance, ())
    own = _of_run(run.name, known)
    is_unsent = record.outcome is Outcome.NOT_ATTEMPTED and not (own and own.was_answered)
    closed = [
        one
        for one in known
        if one is own or (record.outcome.is_gone and one.run.plan_id == run.plan_id)
    ]
    _take_out(table.open, closed)
    if is_unsent:
        return (Untried(run, table.store, record.instance),)
    return (_proof(run, run, table, record, closed),)


def _proof(
    run: Run | None,
    by: Run,
    table: _Table,
    record: Verified | Settled,
    attempts: list[Attempt],
) -> Proof:
    plan_id = run.plan_id if run else None
    failed = table.failed.get(record.instance, ())
    earlier = [one for one in failed if one.run.plan_id == plan_id]
    if record.outcome.is_gone:
        _take_out(table.failed, earlier)
    elif attempts:
        table.failed.setdefault(record.instance, []).extend(attempts)
    return Proof(run, by, table.store, record, tuple(attempts), tuple(earlier))


def _of_run(run: str, attempts: Iterable[Attempt]) -> Attempt | None:
    for attempt in attempts:
        if attempt.run.started.run == run:
            return attempt
    return None


def _take_out(table: dict[InstanceAddress, list[Attempt]], attempts: Sequence[Attempt]) -> None:
    """Forget attempts, all on one instance."""
    if not attempts:
        return
    instance = attempts[0].instance
    left = [one for one in table[instance] if one not in attempts]
    if left:
        table[instance] = left
    else:
        del table[instance]
