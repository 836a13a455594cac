"""Restore what a run archived: find it, lock, check, store again, compare, account.

What was proven to be back by an earlier restore is only counted, so running it again goes on
where an interruption stopped it. What another run has removed since is not put back: its removal
is a later decision.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from reconciler.applying.archived import ArchivedRun, read_archived
from reconciler.applying.deletion import Patience
from reconciler.applying.restoration import Restorer
from reconciler.applying.run import until_stopped
from reconciler.applying.stopping import Breaker, Stop
from reconciler.errors import ExitCode, JournalError, UsageError
from reconciler.journal.fold import Read, Run
from reconciler.journal.history import History
from reconciler.journal.latest import links_of_run
from reconciler.journal.locks import hold_locks
from reconciler.journal.records import RestoreEnded, RestoreStarted
from reconciler.journal.writer import RunJournal
from reconciler.live.labels import AuditLabels
from reconciler.live.store import DicomStore
from reconciler.live.workers import run_workers
from reconciler.model.address import StoreAddress
from reconciler.model.lock import Holder
from reconciler.model.outcome import RunState
from reconciler.model.past import PutBack, Removed
from reconciler.model.provenance import Provenance
from reconciler.model.restore import (
    ArchivedInstance,
    RestoreOutcome,
    RestoreReport,
    RestoreResult,
)


@dataclass(frozen=True, slots=True)
class RestoreSettings:
    """How a restore goes about it; the fields are those of `ApplySettings`."""

    run: str
    holder: Holder
    tool_version: str
    patience: Patience
    parallelism: int = 32
    stop_after: int = 10


@dataclass(frozen=True, slots=True)
class Pending:
    """How an archived run's instances stand before a restore does anything."""

    settled: tuple[RestoreResult, ...]
    """Put back by an earlier restore, or removed by a later run."""
    waiting: tuple[ArchivedInstance, ...]

    @property
    def taken_over(self) -> int:
        """How many an earlier restore has put back."""
        return sum(result.outcome.is_restored for result in self.settled)


def find_pending(archived: ArchivedRun, history: History) -> Pending:
    """Take out what is back already, and what was removed by a later attempt.

    A removal has the place of its attempt: one that was settled late is no later for that.
    """
    places = {one.run.name: one.run.place for one in history.runs}
    pasts = {store: history.of(store, archived.endpoint) for store in archived.stores}
    settled: list[RestoreResult] = []
    waiting: list[ArchivedInstance] = []
    for one in archived.instances:
        match pasts[one.store].last_word(one.instance):
            case PutBack(run=one.run, outcome=outcome, is_there=True):
                settled.append(RestoreResult(one, outcome))
            case Removed(run, place) if run not in archived.runs and place > places[one.run]:
                why = f"run {run} removed it later; it is not put back"
                settled.append(RestoreResult(one, RestoreOutcome.NOT_ATTEMPTED, why))
            case _:
                waiting.append(one)
    return Pending(tuple(settled), tuple(waiting))


def unfinished_restores(history: History, state: Path) -> tuple[Run, ...]:
    """The latest restore of each archive and selection that has something left to do, in order.

    Raises:
        JournalError: the record of a run cannot be read.
    """
    latest = {
        (started.restores[-1], started.only): (read, started)
        for read in history.runs
        if isinstance(started := read.run.started, RestoreStarted)
    }
    left = [
        read.run
        for read, started in latest.values()
        if _may_go_on(read) and _is_left(started, history, state)
    ]
    return tuple(sorted(left, key=lambda run: run.place))


def _may_go_on(read: Read) -> bool:
    """Whether the same restore could do more: it did not end, or something was not proven."""
    ended = read.ended
    if not isinstance(ended, RestoreEnded) or not ended.state.is_final:
        return True
    return any(ended.counts.get(outcome) for outcome in _UNPROVEN)


def _is_left(started: RestoreStarted, history: History, state: Path) -> bool:
    """Whether something that it was asked for is not back."""
    try:
        archived = read_archived(state, started.restores[-1], only=started.only)
    except UsageError:  # its record is gone; the command that resumes it says so
        return True
    return bool(find_pending(archived, history).waiting)


class _Account:
    """Outcomes as they come in."""

    def __init__(self, results: Iterable[RestoreResult]) -> None:
        self.counts: Counter[RestoreOutcome] = Counter()
        self.not_restored: list[RestoreResult] = []
        self._lock = threading.Lock()
        for result in results:
            self.add(result)

    @property
    def is_proven(self) -> bool:
        return all(outcome.is_restored or not count for outcome, count in self.counts.items())

    def add(self, result: RestoreResult) -> None:
        with self._lock:
            self.counts[result.outcome] += 1
            if not result.outcome.is_restored:
                self.not_restored.append(result)


@dataclass(frozen=True, slots=True)
class Restore:
    """One restore of one run.

    ``read`` gives what the run archived, and is called under the lock; ``stores`` holds every
    store of it; ``on_result`` hears of every instance that is done, from any worker;
    ``provenance`` is asked once the store has answered.
    """

    read: Callable[[], ArchivedRun]
    stores: Mapping[StoreAddress, DicomStore]
    state: Path
    settings: RestoreSettings
    stop: Stop
    now: Callable[[], datetime]
    on_result: Callable[[RestoreResult], None]
    provenance: Callable[[], Provenance] = Provenance

    def run(self) -> tuple[RestoreReport, ExitCode]:
        """Put back what is not back yet, and prove it; see the module for what is not.

        Raises:
            LockHeld: another run works on one of the stores.
            LiveError: a store does not answer, or its caller may not store.
            JournalError: the journal cannot be read or begun.
        """
        started = self.now()
        since = f"{started:%Y-%m-%d %H:%M:%S} UTC"
        with hold_locks(self.state, self.stores, holder=self.settings.holder, since=since):
            archived = self.read()
            history = History.read(self.state)
            pending = find_pending(archived, history)
            first = self._first_record(started, archived, history)
            if not pending.waiting:
                return self._nothing_to_do(first, pending)
            for store in sorted({one.store for one in pending.waiting}):
                self.stores[store].preflight(deleting=False, storing=True)
            first = replace(first, provenance=self.provenance())
            journal = RunJournal.create(self.state, first)
            try:
                return self._work(journal, first, pending)
            finally:
                with suppress(JournalError):  # what has failed by now is in the report
                    journal.close()

    def _first_record(
        self, started: datetime, archived: ArchivedRun, history: History
    ) -> RestoreStarted:
        return RestoreStarted(
            run=self.settings.run,
            time=started,
            tool_version=self.settings.tool_version,
            restores=archived.runs,
            endpoint=archived.endpoint,
            stores=archived.stores,
            only=archived.only,
            planned=len(archived.instances),
            resumes=history.restores_of(archived.runs[-1]),
            **links_of_run(self.state),
        )

    def _work(
        self, journal: RunJournal, first: RestoreStarted, pending: Pending
    ) -> tuple[RestoreReport, ExitCode]:
        account = _Account(pending.settled)
        restorer = Restorer(
            stores=self.stores,
            order=first.stores,
            journal=journal,
            labels=AuditLabels(first.run),
            patience=self.settings.patience,
            stop=self.stop,
            now=self.now,
        )
        self._restore_all(pending.waiting, restorer, account)
        exit_code = ExitCode.SUCCESS if account.is_proven else ExitCode.INCOMPLETE
        state = RunState.COMPLETED if account.is_proven else self.stop.state
        ended = RestoreEnded(self.now(), state, account.counts, exit_code, self.stop.reason)
        try:
            journal.commit(ended)
        except JournalError as error:
            self.stop.request(RunState.STOPPED, str(error))
            exit_code = ExitCode.INCOMPLETE
        report = self._report(first, account, journal.head, state, pending.taken_over)
        return report, exit_code

    def _restore_all(
        self, waiting: Iterable[ArchivedInstance], restorer: Restorer, account: _Account
    ) -> None:
        remaining = iter(waiting)
        breaker = Breaker(self.settings.stop_after, self.stop, of="restores")

        def restore_one(archived: ArchivedInstance) -> None:
            result = restorer.restore(archived)
            account.add(result)
            self.on_result(result)
            if result.outcome is not RestoreOutcome.NOT_ATTEMPTED:
                # A conflict is an answer, and says nothing of those after it.
                breaker.count(proven=result.outcome not in _UNPROVEN)

        run_workers(
            until_stopped(self.stop, remaining),
            restore_one,
            parallelism=self.settings.parallelism,
        )
        for left in remaining:
            why = self.stop.reason or ""
            account.add(RestoreResult(left, RestoreOutcome.NOT_ATTEMPTED, why))

    def _nothing_to_do(
        self, first: RestoreStarted, pending: Pending
    ) -> tuple[RestoreReport, ExitCode]:
        account = _Account(pending.settled)
        report = self._report(first, account, None, RunState.COMPLETED, pending.taken_over)
        return report, ExitCode.SUCCESS if account.is_proven else ExitCode.INCOMPLETE

    def _report(
        self,
        first: RestoreStarted,
        account: _Account,
        head: str | None,
        state: RunState,
        taken_over: int,
    ) -> RestoreReport:
        return RestoreReport(
            run=first.run,
            restores=first.restores,
            state=state,
            started=first.time,
            ended=self.now(),
            counts=dict(account.counts),
            not_restored=tuple(account.not_restored),
            stopped_because=self.stop.reason,
            resumed=first.resumes,
            journal_head=head,
            taken_over=taken_over,
        )


_UNPROVEN = frozenset({RestoreOutcome.FAILED, RestoreOutcome.UNCONFIRMED})
