"""Restore what a run archived: find it, lock, check, store again, compare, account.

What was proven to be back by an earlier restore is only counted, so running it again goes on
where an interruption stopped it. What another run has removed since is not put back: its removal
is a later decision.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.applying.archived import ArchivedRun
from reconciler.applying.pending import Pending, find_pending
from reconciler.applying.restoration import Restorer
from reconciler.applying.run import Account, RunSettings, end_run, wanted_locks, work_through
from reconciler.applying.sending import Sender
from reconciler.applying.stopping import Stop
from reconciler.errors import ExitCode, JournalError
from reconciler.journal.history import History
from reconciler.journal.latest import links_of_run
from reconciler.journal.records import AskedFor, RestoreStarted, RunEnded
from reconciler.journal.state import State
from reconciler.journal.writer import RunJournal
from reconciler.live.http.labels import AuditLabels
from reconciler.live.store import DicomStore
from reconciler.model.address import StoreAddress
from reconciler.model.outcome import InstanceResult, Operation, Outcome, RunReport, RunState
from reconciler.model.provenance import Provenance
from reconciler.model.reply import Change


@dataclass(frozen=True, slots=True)
class Restore:
    """One restore of one run.

    ``read`` gives what the run archived, and is called under the lock; ``stores`` holds every
    store of it; ``on_result`` hears of every instance that is done, from any worker,
    ``on_wait`` in words what the lock waits for, and ``tried`` what became of each that something
    was sent of; ``provenance`` is asked once the store has answered.
    """

    read: Callable[[], ArchivedRun]
    stores: Mapping[StoreAddress, DicomStore]
    state: State
    settings: RunSettings
    stop: Stop
    now: Callable[[], datetime]
    on_result: Callable[[InstanceResult], None]
    on_wait: Callable[[str], None]
    tried: Callable[[Outcome], None]
    provenance: Callable[[], Provenance] = Provenance

    def run(self) -> tuple[RunReport, ExitCode]:
        """Put back what is not back yet, and prove it; see the module for what is not.

        Raises:
            LockHeld: another run works on one of the stores.
            LiveError: a store does not answer, or its caller may not store.
            JournalError: the journal cannot be read or begun.
        """
        started = self.now()
        wanted = wanted_locks(self.stores, self.settings, started, self.stop, self.on_wait)
        with self.state.hold(wanted) as lease:
            archived = self.read()
            history = History.read(self.state)
            pending = find_pending(archived, history)
            first = self._first_record(started, archived, history)
            if not pending.waiting:
                return self._nothing_to_do(first, pending)
            for store in sorted({one.store for one in pending.waiting}):
                self.stores[store].preflight(deleting=False, storing=True)
            first = replace(first, provenance=self.provenance())
            journal = RunJournal.create(self.state, first, lease)
            try:
                for uid in archived.only:
                    journal.append(AskedFor(first.time, uid))
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
            planned=len(archived.instances),
            resumes=history.restores_of(archived.runs[-1]),
            **links_of_run(self.state),
        )

    def _work(
        self, journal: RunJournal, first: RestoreStarted, pending: Pending
    ) -> tuple[RunReport, ExitCode]:
        settings = self.settings
        labels = AuditLabels(first.run)
        sender = Sender(
            Change.STORE,
            self.stores,
            journal,
            labels,
            settings.budget,
            self.stop,
            self.now,
            threading.Semaphore(settings.parallelism),
        )
        account = self._account(pending)
        work_through(
            pending.waiting,
            Restorer(sender, first.stores).restore,
            lambda one, reason: one.result(Outcome.NOT_ATTEMPTED, reason),
            account,
            stop=self.stop,
            tried=self.tried,
            parallelism=settings.workers(journal),
        )
        ended = end_run(journal, account, self.stop, self.now, is_done=account.is_proven)
        return self._report(first, ended, account, journal.head)

    def _account(self, pending: Pending) -> Account:
        """An account of what needs no request."""
        account = Account(Operation.RESTORE, self.on_result)
        for result in pending.settled:
            if result.outcome.is_restored:
                account.take_over(result.outcome, is_earlier=True)
            else:
                account.add(result)
        return account

    def _nothing_to_do(self, first: RestoreStarted, pending: Pending) -> tuple[RunReport, ExitCode]:
        account = self._account(pending)
        exit_code = ExitCode.SUCCESS if account.is_proven else ExitCode.INCOMPLETE
        ended = RunEnded(self.now(), RunState.COMPLETED, dict(account.counts), exit_code)
        return self._report(first, ended, account, None)

    def _report(
        self, first: RestoreStarted, ended: RunEnded, account: Account, head: str | None
    ) -> tuple[RunReport, ExitCode]:
        report = RunReport(
            Operation.RESTORE,
            run=first.run,
            state=ended.state,
            started=first.time,
            ended=ended.time,
            counts=dict(account.counts),
            unproven=tuple(account.unproven),
            restores=first.restores,
            stopped_because=ended.stopped_because,
            resumed=first.resumes,
            journal_head=head,
            taken_over=account.taken_over,
        )
        return report, ExitCode(ended.exit_code)
