"""Delete one instance: archive, whose it is, intent, attempt, result, proof.

The only place in the project that calls a store's ``delete``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.applying.archive import Archive, NotArchivedError
from reconciler.applying.first_proof import FirstProofs
from reconciler.applying.outcome import Ending, ending_of, outcome_of
from reconciler.applying.patients import NotIdentifiedError, read_patient
from reconciler.applying.stopping import Stop
from reconciler.dicom.patient import load_pydicom
from reconciler.errors import JournalError, LiveError
from reconciler.journal.records import Intent, Result, Verified
from reconciler.journal.writer import RunJournal
from reconciler.live.labels import AuditLabels
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import Observation, Presence, unknown
from reconciler.model.outcome import InstanceResult, Outcome, RunState
from reconciler.model.patient import PatientKey, PatientSeen
from reconciler.model.plan import DeletionGroup
from reconciler.model.problem import Source
from reconciler.model.reply import DeleteReply, ReplyKind

_RETRIED = frozenset({ReplyKind.THROTTLED, ReplyKind.UNCLEAR, ReplyKind.UNAUTHENTICATED})
_FORBIDDEN = 403
REPROBE_PAUSES = (0.25, 0.5, 1.0, 2.0)
"""Seconds between looks at an instance that is still there; the last one repeats."""


class _StoppedError(Exception):
    """The run stopped before the DELETE left; ``is_on_record`` says that its intent is."""

    def __init__(self, *, is_on_record: bool) -> None:
        super().__init__()
        self.is_on_record = is_on_record


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one deletion is tried, and how long its proof is waited for; in seconds.

    ``backoff`` gives the pause after the n-th attempt (from 1), knowing the server's Retry-After.
    """

    backoff: Callable[[int, float | None], float]
    attempt_for: float = 120.0
    reprobe_for: float = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """One planned deletion.

    ``index`` is the store's place in the run's first record, ``group`` declares the deletion;
    ``earlier`` are the replies that interrupted runs of the same plan had from it.
    """

    store: StoreAddress
    index: int
    instance: InstanceAddress
    group: DeletionGroup
    earlier: tuple[ReplyKind | None, ...] = ()

    @property
    def source(self) -> Source:
        """The line that declares it."""
        return Source(self.group.path, self.group.instances[self.instance.instance_uid])


class Deleter:
    """Deletes the instances of one run; shared by its workers."""

    def __init__(
        self,
        *,
        stores: dict[StoreAddress, DicomStore],
        journal: RunJournal,
        labels: AuditLabels,
        patient_key: PatientKey | None,
        archive: Archive,
        patience: Patience,
        stop: Stop,
        now: Callable[[], datetime],
    ) -> None:
        self._stores = stores
        self._journal = journal
        self._labels = labels
        self._patient_key = patient_key
        if patient_key is not None:
            load_pydicom()
        self._archive = archive
        self._patience = patience
        self._stop = stop
        self._first_proofs = FirstProofs(stores, stop)
        self._now = now
        self._preflight_lock = threading.Lock()

    def delete(self, target: Target) -> InstanceResult:
        """Delete, prove, record; what goes wrong is in the outcome, never an exception.

        NOT_ATTEMPTED when the run has stopped or no intent could be made durable.
        """
        if self._stop.is_requested:
            return self._result(target, Outcome.NOT_ATTEMPTED, self._stop.reason or "")
        try:
            patient = self._prepare(target)
        except NotIdentifiedError as error:
            return self._spared(target, f"its Patient ID could not be read: {error}")
        except NotArchivedError as error:
            return self._spared(target, f"it could not be archived: {error}")
        except JournalError as error:
            return self._unrecorded(target, error)
        with self._first_proofs.turn(target.store):
            return self._delete(target, patient)

    def _prepare(self, target: Target) -> PatientSeen | None:
        """Do what comes before the first intent; several workers may, whatever is proven.

        Raises:
            NotIdentifiedError: its patient is to be on record, and was not read.
            NotArchivedError: the files want it archived first, and it is not.
            JournalError: the copy could not be recorded.
        """
        store = self._store(target)
        copy = self._archive.keep(store, target.index, target.instance, target.group)
        return read_patient(store, target.instance, self._patient_key, copy)

    def _delete(self, target: Target, patient: PatientSeen | None) -> InstanceResult:
        """Send what DELETEs it takes, then prove what they did."""
        replies: list[DeleteReply] = []
        try:
            self._attempt(target, patient, replies)
        except _StoppedError as stopped:
            return self._not_sent(target, is_on_record=stopped.is_on_record)
        except JournalError as error:
            if not replies:
                return self._unrecorded(target, error)
            self._stop.request(RunState.STOPPED, str(error))
        last = replies[-1]
        kinds = (*target.earlier, *(reply.kind for reply in replies))
        self._heed(target, last)
        ending = ending_of(kinds)
        seen = self._store(target).confirmed(
            target.instance, self._look(target, ending), explained=ending is Ending.ACCEPTED
        )
        outcome = outcome_of(kinds, seen.presence)
        detail = "" if outcome.is_gone else _explain(last, seen)
        result = self._verified(target, seen, outcome, detail)
        self._first_proofs.heed(result, [reply.kind for reply in replies])
        return result

    def _spared(self, target: Target, reason: str) -> InstanceResult:
        """Account for an instance of which no DELETE was sent, since what must come before failed.

        One that is gone already needs neither. Where the store no longer takes the caller, the run
        stops.
        """
        self._repeat_preflight(target.store)
        store = self._store(target)
        seen = store.confirmed(target.instance, store.probe(target.instance))
        return self._unsent(target, seen, Outcome.FAILED, f"not deleted, since {reason}")

    def recalled(self, target: Target, seen: Observation) -> InstanceResult:
        """Account for an instance that was removed before and was not seen now: no DELETE is sent.

        What was not seen for certain is neither gone nor to be deleted.
        """
        detail = f"not deleted, since it was removed before; retrieve: {seen.detail}"
        return self._unsent(target, seen, Outcome.UNCONFIRMED, detail)

    def _unsent(
        self, target: Target, seen: Observation, outcome: Outcome, detail: str
    ) -> InstanceResult:
        """Record what became of an instance of which this run sent no DELETE.

        ``outcome`` and ``detail`` are of one that is not absent. One that is may have gone by an
        earlier attempt of the plan.
        """
        if seen.presence is Presence.ABSENT:
            outcome = outcome_of((*target.earlier, ReplyKind.NOT_FOUND), seen.presence)
            detail = ""
        self._record(
            Verified(
                self._now(),
                target.index,
                target.instance,
                seen.presence,
                outcome,
                detail,
                target.source,
                target.group.reason,
            )
        )
        return self._result(target, outcome, detail)

    def _unrecorded(self, target: Target, error: JournalError) -> InstanceResult:
        """Account for an instance of which nothing can be recorded, so that no DELETE is sent."""
        self._stop.request(RunState.STOPPED, str(error))
        return self._result(target, Outcome.NOT_ATTEMPTED, str(error))

    def _not_sent(self, target: Target, *, is_on_record: bool) -> InstanceResult:
        """Account for an instance whose DELETE never left; an intent on record is taken back."""
        reason = self._stop.reason or ""
        if not is_on_record:
            return self._result(target, Outcome.NOT_ATTEMPTED, reason)
        return self._verified(target, unknown("not looked at"), Outcome.NOT_ATTEMPTED, reason)

    def _verified(
        self, target: Target, seen: Observation, outcome: Outcome, detail: str
    ) -> InstanceResult:
        self._record(
            Verified(self._now(), target.index, target.instance, seen.presence, outcome, detail)
        )
        return self._result(target, outcome, detail)

    def _attempt(
        self, target: Target, patient: PatientSeen | None, replies: list[DeleteReply]
    ) -> None:
        """Attempt until the answer is clear, the time is over, or the run stops.

        All that takes long came before the first intent: from then on a DELETE may have left.

        Raises:
            _StoppedError: the run stopped before anything was sent.
            JournalError: an intent could not be made durable.
        """
        store = self._store(target)
        deadline = time.monotonic() + self._patience.attempt_for
        while True:
            number = len(replies) + 1
            self._commit_intent(self._intent(target, number, patient))
            reply = store.delete(target.instance)
            replies.append(reply)
            self._record(
                Result(
                    self._now(),
                    target.index,
                    target.instance,
                    number,
                    reply.kind,
                    reply.status,
                    reply.detail,
                    reply.request_id,
                ),
                # No later apply may go on with this plan: that must not be lost with the process.
                at_once=reply.kind is ReplyKind.OPERATION,
            )
            if not _may_try_again(replies) or self._stop.is_requested:
                return
            pause = self._patience.backoff(number, reply.retry_after)
            if time.monotonic() + pause > deadline or self._stop.event.wait(pause):
                return

    def _commit_intent(self, intent: Intent) -> None:
        """Make an intent durable; before the first one, and after it, the run may have stopped."""
        is_first = intent.attempt == 1
        if is_first and self._stop.is_requested:
            raise _StoppedError(is_on_record=False)
        self._journal.commit(intent)
        if is_first and self._stop.is_requested:
            raise _StoppedError(is_on_record=True)

    def _intent(self, target: Target, number: int, patient: PatientSeen | None) -> Intent:
        """Why, where it was declared and whose it is stands on the first attempt only."""
        if number > 1:
            return Intent(self._now(), target.index, target.instance, number)
        reason = target.group.reason
        return Intent(self._now(), target.index, target.instance, 1, target.source, reason, patient)

    def _store(self, target: Target) -> DicomStore:
        """The store, with the deletion's labels on every request to it."""
        labels = replace(self._labels, ticket=target.group.reason.ticket)
        return self._stores[target.store].labelled(labels)

    def _record(self, record: Result | Verified, *, at_once: bool = False) -> None:
        """Append without waiting; a journal that fails now stops the run, not this proof."""
        try:
            if at_once:
                self._journal.commit(record)
            else:
                self._journal.append(record)
        except JournalError as error:
            self._stop.request(RunState.STOPPED, str(error))

    def _heed(self, target: Target, reply: DeleteReply) -> None:
        """Stop the run where a reply says that going on is wrong."""
        if reply.kind is ReplyKind.OPERATION:
            self._stop.request(
                RunState.ABORTED,
                f"the store answered the DELETE of {target.instance.instance_uid} with an"
                f" operation: something larger than an instance is being deleted",
            )
        elif reply.kind is ReplyKind.UNAUTHENTICATED:
            self._stop.request(RunState.STOPPED, "the store no longer accepts the credentials")
        elif reply.status == _FORBIDDEN:
            self._repeat_preflight(target.store)

    def _repeat_preflight(self, store: StoreAddress) -> None:
        with self._preflight_lock:
            if self._stop.is_requested:
                return
            try:
                self._stores[store].preflight(deleting=True)
            except LiveError as error:
                self._stop.request(RunState.STOPPED, str(error))

    def _look(self, target: Target, ending: Ending) -> Observation:
        """Prove the absence by a retrieve; look again for a while where it is to be expected."""
        store = self._store(target)
        seen = store.probe(target.instance)
        if ending in {Ending.REFUSED, Ending.OPERATION}:
            return seen
        deadline = time.monotonic() + self._patience.reprobe_for
        looks = 0
        while seen.presence is Presence.PRESENT and time.monotonic() < deadline:
            pause = REPROBE_PAUSES[min(looks, len(REPROBE_PAUSES) - 1)]
            if self._stop.event.wait(pause):
                return store.probe(target.instance)
            seen = store.probe(target.instance)
            looks += 1
        return seen

    def _result(self, target: Target, outcome: Outcome, detail: str) -> InstanceResult:
        return InstanceResult(target.store, target.instance, outcome, detail)


def not_taken_over(target: Target, seen: Observation) -> InstanceResult:
    """What an earlier run of the plan proved gone, and what a listing shows now; it stays so."""
    detail = f"an earlier run proved it gone, but a listing shows it; retrieve: {seen.detail}"
    return InstanceResult(target.store, target.instance, Outcome.UNCONFIRMED, detail)


def _may_try_again(replies: list[DeleteReply]) -> bool:
    """Whether another attempt may bring a clear answer; a fresh token is tried once."""
    last = replies[-1].kind
    if last is ReplyKind.UNAUTHENTICATED:
        return sum(reply.kind is last for reply in replies) == 1
    return last in _RETRIED


def _explain(reply: DeleteReply, seen: Observation) -> str:
    """Say in one line why the deletion is not proven."""
    look = seen.presence.value + (f" ({seen.detail})" if seen.detail else "")
    return f"DELETE: {reply.detail or reply.kind.value}; retrieve: {look}"
