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

from reconciler.applying.archived import ArchivedRun
from reconciler.applying.deletion import Patience
from reconciler.applying.pending import UNPROVEN, Pending, find_pending
from reconciler.applying.restoration import Restorer
from reconciler.applying.run import until_stopped
from reconciler.applying.stopping import Breaker, Stop
from reconciler.errors import ExitCode, JournalError
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
                breaker.count(proven=result.outcome not in UNPROVEN)

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
