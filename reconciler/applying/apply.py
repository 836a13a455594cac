"""Apply a plan: lock, settle, recall, check, delete, account.

What is checked when, and why in this order: the locks come first, so that no other run changes
the journal that is read next; a plan that was applied is only reported; the store must answer, and
what it says of an instance that nobody has must be an absence; open intents of unfinished runs are
settled, and the bags of their archives completed, which no refusal may prevent; then the plan must
be acceptable still, and its gates passed by what the record says and the store shows; only then is
anything deleted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from reconciler.applying.archive import Archive, BagInfo
from reconciler.applying.bags import Bags, UnfinishedBag
from reconciler.applying.deletion import Deleter, Target, not_taken_over
from reconciler.applying.first_proof import require_absence
from reconciler.applying.progress import PlanProgress
from reconciler.applying.recall import Recalled, count_put_back, last_words_of, recall
from reconciler.applying.run import Account, RunSettings, end_run, wanted_locks, work_through
from reconciler.applying.sending import Sender
from reconciler.applying.settlement import settle
from reconciler.applying.stopping import Stop
from reconciler.errors import ExitCode, JournalError, ReconcilerError, Refused
from reconciler.journal.fold import Attempt
from reconciler.journal.history import History, PlanHistory
from reconciler.journal.latest import links_of_run
from reconciler.journal.records import EmptiedStudy, LeftDangling, RunEnded, RunStarted
from reconciler.journal.state import Lease, State
from reconciler.journal.writer import RunJournal
from reconciler.live.http.labels import AuditLabels
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import Presence
from reconciler.model.outcome import InstanceResult, Operation, Outcome, RunReport, RunState
from reconciler.model.patient import PatientKey
from reconciler.model.plan import SavedPlan
from reconciler.model.provenance import Provenance
from reconciler.model.reply import Change
from reconciler.planning.gates import gates_of, require_passed_gates

_NOT_SEEN = "a listing shows what an earlier run proved gone, and the store gives no clear answer"
_MET_OPERATION = (
    "an interrupted run of this plan had a DELETE answered with an operation: something larger"
    " than an instance was being deleted"
)


@dataclass(frozen=True, slots=True)
class Applied:
    """The report of an apply; ``is_earlier`` if the plan had been applied before.

    ``put_back`` is the number of its instances that were restored since. ``bags`` are the folders
    of the runs' bags, each named after its run. ``error`` is what ended the apply of a plan in
    shards after it had begun.
    """

    report: RunReport
    exit_code: int
    is_earlier: bool = False
    put_back: int = 0
    bags: tuple[Path, ...] = ()
    error: ReconcilerError | None = None


@dataclass(frozen=True, slots=True)
class _Left:
    """What earlier runs left: of the plan, on its stores, in its archives."""

    history: History
    earlier: PlanHistory | None
    attempts: tuple[Attempt, ...]
    bags: tuple[UnfinishedBag, ...]

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to settle and to complete."""
        return not (self.attempts or self.bags)


@dataclass(frozen=True, slots=True)
class Apply:
    """One apply of one plan.

    ``stores`` holds every store of the plan; ``nobody`` is an address at which there is nothing;
    ``accept`` gets the record, and raises `Refused` where the plan may not go on; ``on_result``
    hears of every outcome, from any worker, ``tried`` of those that something was sent for, and
    ``on_wait`` in words what the lock waits for; ``provenance`` is asked once the store has
    answered. With ``patient_key`` it is on record whose each instance is, as a pseudonym. A run
    ``settles_all`` that those which are over left open in its stores, else in its studies alone.
    """

    saved: SavedPlan
    stores: dict[StoreAddress, DicomStore]
    state: State
    settings: RunSettings
    nobody: InstanceAddress
    accept: Callable[[History], None]
    stop: Stop
    now: Callable[[], datetime]
    on_result: Callable[[InstanceResult], None]
    on_wait: Callable[[str], None]
    tried: Callable[[Outcome], None]
    provenance: Callable[[], Provenance] = Provenance
    patient_key: PatientKey | None = None
    settles_all: bool = True

    def run(self) -> Applied:
        """Delete what the plan says and prove it; see the module for the order of things.

        Raises:
            LockHeld: another run works on one of the stores.
            Refused: the plan is no longer acceptable; this call deleted nothing of it.
            LiveError: a store does not answer, or its caller may not delete.
            JournalError: the journal cannot be read or begun.
        """
        started = self.now()
        part_of = self.saved.part_of
        wanted = wanted_locks(
            self.stores,
            self.settings,
            started,
            self.stop,
            self.on_wait,
            manifest=part_of.plan_id if part_of else None,
            claim=self.saved.plan_id if part_of else None,
        )
        with self.state.hold(wanted) as lease:
            left = self._left(lease)
            if left.earlier and left.earlier.ended and left.earlier.is_over:
                return self._earlier(left.history, left.earlier, left.earlier.ended)
            refusal = self._refusal(left.history)
            if refusal and left.is_nothing:
                raise refusal
            first = self._first_record(started, left.earlier)
            if not first.planned and left.is_nothing:
                return self._nothing_to_do(first)
            self._require_answers(left.attempts)
            refusal = refusal or self._absences_unclear()
            recalled = Recalled()
            if not left.attempts and not refusal:
                recalled, refusal = self._recall(left, PlanProgress.of(left.earlier, (), {}))
            if refusal and left.is_nothing:
                raise refusal
            first = replace(first, provenance=self.provenance())
            journal = RunJournal.create(self.state, first, lease)
            try:
                for emptied in self._emptied(started):
                    journal.append(emptied)
                for dangling in self._left_dangling(started):
                    journal.append(dangling)
                return self._work(journal, first, left, recalled, refusal)
            finally:
                with suppress(JournalError):  # what has failed by now is in the report
                    journal.close()

    def _left(self, lease: Lease) -> _Left:
        part = self.saved.part_of
        history = History.read(self.state, part=None if self.settles_all else part)
        over = set[str]()
        if part is not None and self.settles_all:
            left = {attempt.run.name for attempt in self._open_attempts(history)}
            over = set(filter(lease.came_after, left))
            if over:  # one of them may have ended since the record was read
                history = History.read(self.state)
        earlier = history.of_plan(self.saved.plan_id)
        studies = {
            (one.store, study.study_uid) for one in self.saved.plan.stores for study in one.studies
        }
        attempts = tuple(
            attempt
            for attempt in self._open_attempts(history)
            # Of a plan in shards, others are at work on their studies.
            if part is None
            or (attempt.store.address, attempt.instance.study_uid) in studies
            or attempt.run.name in over
        )
        runs = earlier.runs if earlier and not earlier.is_over else ()
        return _Left(
            history, earlier, attempts, self._bags().find_unfinished(self.saved.plan.archives, runs)
        )

    def _open_attempts(self, history: History) -> Iterator[Attempt]:
        for store in sorted(self.stores):
            yield from history.open_attempts(store, self.saved.endpoint)

    def _require_answers(self, attempts: tuple[Attempt, ...]) -> None:
        """Pass the pre-flight of every store that something is deleted from or settled in."""
        settled = {attempt.store.address for attempt in attempts}
        for store in sorted(self._deleted_from() | settled):
            self.stores[store].preflight(deleting=True)

    def _absences_unclear(self) -> Refused | None:
        """Why no deletion could be proven, in some store that something is deleted from."""
        labels = AuditLabels(self.settings.run, self.saved.digest)
        try:
            for store in sorted(self._deleted_from()):
                require_absence(self.stores[store].labelled(labels), self.nobody)
        except Refused as refusal:
            # A run that stops has no answer in time; it deletes nothing.
            return None if self.stop.is_requested else refusal
        return None

    def _deleted_from(self) -> set[StoreAddress]:
        return {store.store for store in self.saved.plan.stores if store.studies}

    def _recall(self, left: _Left, progress: PlanProgress) -> tuple[Recalled, Refused | None]:
        """Hold the record against the store, and the plan's gates against both."""
        recalled = recall(
            self.saved,
            progress,
            last_words_of(self.saved, left.history),
            self.stores,
            parallelism=self.settings.parallelism,
        )
        try:
            require_passed_gates(gates_of(replace(self.saved, reappeared=recalled.reappeared)))
        except Refused as refusal:
            return recalled, refusal
        return recalled, None

    def _nothing_to_do(self, first: RunStarted) -> Applied:
        """Report a plan without deletions; it leaves no run behind."""
        ended = RunEnded(self.now(), RunState.COMPLETED, {}, ExitCode.SUCCESS)
        return Applied(
            self._report(first, ended, Account(Operation.APPLY, self.on_result), None),
            ExitCode.SUCCESS,
        )

    def _refusal(self, history: History) -> Refused | None:
        try:
            self.accept(history)
        except Refused as refusal:
            return refusal
        return None

    def _first_record(self, started: datetime, earlier: PlanHistory | None) -> RunStarted:
        return RunStarted(
            run=self.settings.run,
            time=started,
            tool_version=self.settings.tool_version,
            plan_id=self.saved.plan_id,
            digest=self.saved.digest,
            endpoint=self.saved.endpoint,
            stores=tuple(sorted(self.stores)),
            expires=self.saved.expires,
            planned=sum(1 for store in self.saved.plan.stores for _ in store.deletions()),
            resumes=earlier.runs if earlier else (),
            part_of=self.saved.part_of,
            task=self.settings.task,
            **links_of_run(self.state),
        )

    def _order(self) -> dict[StoreAddress, int]:
        """The places of the stores in the first record."""
        return {store: index for index, store in enumerate(sorted(self.stores))}

    def _left_dangling(self, started: datetime) -> Iterator[LeftDangling]:
        order = self._order()
        for plan in self.saved.plan.stores:
            for one in plan.dangling:
                yield LeftDangling(
                    started,
                    order[plan.store],
                    InstanceAddress(one.study_uid, one.series_uid, one.instance_uid),
                    sum(series.instances for series in one.refers_to),
                    sum(series.as_a_whole for series in one.refers_to),
                    one.kept_by,
                )

    def _emptied(self, started: datetime) -> Iterator[EmptiedStudy]:
        order = self._order()
        for plan in self.saved.plan.stores:
            for study in plan.studies:
                if study.emptied:
                    yield EmptiedStudy(started, order[plan.store], study.study_uid, study.deletions)

    def _work(
        self,
        journal: RunJournal,
        first: RunStarted,
        left: _Left,
        recalled: Recalled,
        refusal: Refused | None,
    ) -> Applied:
        """Settle, delete and account, all of it on record."""
        settings = self.settings
        labels = AuditLabels(first.run, first.digest)
        stores = {address: store.labelled(labels) for address, store in self.stores.items()}
        settled = settle(
            left.attempts, stores, journal, parallelism=settings.parallelism, now=self.now
        )
        progress = PlanProgress.of(left.earlier, left.attempts, settled)
        if left.attempts and not refusal:
            recalled, refusal = self._recall(left, progress)
        bags = self._bags()
        bags.complete(left.bags)
        if refusal:
            self.stop.request(RunState.STOPPED, str(refusal))
        if left.earlier and left.earlier.met_operation:
            self.stop.request(RunState.ABORTED, _MET_OPERATION)
        archive = Archive(first.run, journal, now=self.now)
        account = Account(Operation.APPLY, self.on_result)
        sender = Sender(
            Change.DELETE,
            self.stores,
            journal,
            labels,
            settings.budget,
            self.stop,
            self.now,
            threading.Semaphore(settings.parallelism),
        )
        deleter = Deleter(sender, archive, self.patient_key)
        work_through(
            self._remaining(first, progress, recalled, deleter, account),
            deleter.delete,
            lambda target, reason: target.result(Outcome.NOT_ATTEMPTED, reason),
            account,
            stop=self.stop,
            tried=self.tried,
            parallelism=settings.workers(journal),
        )
        if recalled.unclear:
            self.stop.request(RunState.STOPPED, _NOT_SEEN)
        kept = bags.finish(archive)
        is_done = account.is_proven and bags.are_complete
        refused = ExitCode.REFUSED if refusal else None
        ended = end_run(journal, account, self.stop, self.now, is_done=is_done, exit_code=refused)
        if refusal:
            raise refusal
        report = self._report(first, ended, account, journal.head)
        return Applied(report, ended.exit_code, bags=kept)

    def _remaining(
        self,
        first: RunStarted,
        progress: PlanProgress,
        recalled: Recalled,
        deleter: Deleter,
        account: Account,
    ) -> Iterator[Target]:
        """What is to be deleted; what needs no DELETE is accounted for on the way."""
        for target in progress.targets(self.saved.plan, first.stores):
            key = (target.store, target.instance)
            outcome = progress.outcomes.get(key)
            seen = recalled.seen.get(key)
            if key in recalled.unclear:
                account.add(not_taken_over(target, recalled.unclear[key]))
            elif outcome is not None and outcome.is_gone and key not in recalled.back:
                account.take_over(outcome, is_earlier=key not in progress.settled)
            elif seen is not None and seen.presence is not Presence.PRESENT:
                own = replace(target, earlier=()) if key in recalled.explained else target
                account.add(deleter.recalled(own, seen))
            else:
                yield target

    def _bags(self) -> Bags:
        agent = f"reconciler {self.settings.tool_version}"
        return Bags(
            BagInfo(self.saved.digest, agent), state=self.state, stop=self.stop, now=self.now
        )

    def _report(
        self, first: RunStarted, ended: RunEnded, account: Account, head: str | None
    ) -> RunReport:
        return RunReport(
            Operation.APPLY,
            run=first.run,
            plan_id=first.plan_id,
            digest=first.digest,
            state=ended.state,
            started=first.time,
            ended=ended.time,
            counts=dict(account.counts),
            unproven=tuple(account.unproven),
            stopped_because=ended.stopped_because,
            resumed=first.resumes,
            journal_head=head,
            taken_over=account.taken_over,
        )

    def _earlier(self, history: History, earlier: PlanHistory, ended: RunEnded) -> Applied:
        """Report the outcome of the plan's own run, and do nothing."""
        unproven = tuple(
            InstanceResult(store, instance, outcome)
            for (store, instance), outcome in sorted(earlier.outcomes.items())
            if not outcome.is_gone
        )
        report = RunReport(
            Operation.APPLY,
            run=earlier.runs[-1],
            plan_id=self.saved.plan_id,
            digest=self.saved.digest,
            state=ended.state,
            started=earlier.started,
            ended=ended.time,
            counts=dict(ended.counts),
            unproven=unproven,
            stopped_because=ended.stopped_because,
            resumed=earlier.runs[:-1],
            taken_over=ended.taken_over,
        )
        put_back = count_put_back(self.saved, history)
        return Applied(report, ended.exit_code, is_earlier=True, put_back=put_back)
