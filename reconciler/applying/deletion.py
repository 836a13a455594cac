"""Delete one instance: archive, whose it is, intent, attempt, result, proof.

The only place in the project that calls a store's ``delete``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from reconciler.applying.archive import Archive, NotArchivedError
from reconciler.applying.first_proof import FirstProofs
from reconciler.applying.outcome import AttemptSummary, deletion_outcome, summarize
from reconciler.applying.patients import (
    ChangedError,
    NotIdentifiedError,
    StillBound,
    read_patient,
)
from reconciler.applying.sending import NotSentError, Sender
from reconciler.errors import JournalError
from reconciler.journal.records import Intent, Verified
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import PRESENT, Observation, Presence, unknown
from reconciler.model.outcome import InstanceResult, Outcome, RunState
from reconciler.model.patient import PatientKey, PatientSeen
from reconciler.model.plan import DeletionGroup
from reconciler.model.problem import Source
from reconciler.model.reply import Reply, ReplyKind

_FINAL = frozenset({AttemptSummary.REFUSED, AttemptSummary.OPERATION})
"""After these an instance that is still there is not looked for again."""

_CHANGED = "not deleted, since what its list is bound to has changed since it was resolved"


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

    def result(self, outcome: Outcome, detail: str = "") -> InstanceResult:
        """What became of it."""
        return InstanceResult(self.store, self.instance, outcome, detail)


class Deleter:
    """Deletes the instances of one run; shared by its workers."""

    def __init__(self, sender: Sender, archive: Archive, patient_key: PatientKey | None) -> None:
        self._sender = sender
        self._archive = archive
        self._patient_key = patient_key
        self._stop = sender.stop
        self._first_proofs = FirstProofs(sender.stores, sender.stop)

    def delete(self, target: Target) -> InstanceResult:
        """Delete, verify, record; what goes wrong is in the outcome, never an exception.

        NOT_ATTEMPTED when the run has stopped or no intent could be made durable.
        """
        if self._stop.is_requested:
            return target.result(Outcome.NOT_ATTEMPTED, self._stop.reason or "")
        try:
            patient = self._prepare(target)
            check = self._check(target)
            with self._first_proofs.turn(target.store):
                return self._delete(target, patient, check)
        except NotIdentifiedError as error:
            return self._blocked(target, f"its Patient ID could not be read: {error}")
        except ChangedError:
            # It was read just now, so it is there.
            return self._unsent(target, PRESENT, Outcome.NOT_ATTEMPTED, _CHANGED)
        except NotArchivedError as error:
            return self._blocked(target, f"it could not be archived: {error}")
        except JournalError as error:
            return self._unrecorded(target, error)

    def _prepare(self, target: Target) -> PatientSeen | None:
        """Do what comes before the first intent; several workers may, whatever is proven.

        Raises:
            NotIdentifiedError: its patient is to be on record, and was not read.
            ChangedError: it is not what was listed.
            NotArchivedError: the files want it archived first, and it is not.
            JournalError: the copy could not be recorded.
        """
        store = self._store(target)
        copy = self._archive.keep(store, target.index, target.instance, target.group)
        return read_patient(store, target.instance, self._patient_key, copy, target.group.bound)

    def _check(self, target: Target) -> Callable[[], None]:
        """What is to be looked at before each DELETE."""
        bound = target.group.bound
        if bound is None:
            return lambda: None
        store = self._store(target)
        read = partial(read_patient, store, target.instance, self._patient_key, None, bound)
        return StillBound(read, self._stop)

    def _delete(
        self, target: Target, patient: PatientSeen | None, check: Callable[[], None]
    ) -> InstanceResult:
        """Send what DELETEs it takes, then verify what they did.

        Raises:
            MayNotSendError: ``check`` raised it before anything was sent.
        """
        store, instance = self._store(target), target.instance
        first = Intent(
            self._sender.now(),
            target.index,
            instance,
            1,
            target.source,
            target.group.reason,
            patient,
        )
        try:
            replies = self._sender.send(first, partial(store.delete, instance), check)
        except NotSentError as stopped:
            return self._not_sent(target, is_on_record=stopped.is_on_record)
        except JournalError as error:
            return self._unrecorded(target, error)
        self._sender.stop_if_fatal(target.store, instance, replies[-1])
        sent = [reply.kind for reply in replies]
        kinds = (*target.earlier, *sent)
        summary = summarize(kinds)
        seen = self._sender.verify(
            partial(store.probe, instance),
            lambda seen: seen.presence is Presence.PRESENT and summary not in _FINAL,
        )
        is_explained = summary is AttemptSummary.ACCEPTED
        seen = store.confirmed(instance, seen, explained=is_explained)
        outcome = deletion_outcome(kinds, seen.presence)
        detail = "" if outcome.is_gone else _explain(replies[-1], seen)
        result = self._verified(target, seen, outcome, detail)
        self._first_proofs.note(result, sent)
        return result

    def _blocked(self, target: Target, reason: str) -> InstanceResult:
        """Account for an instance of which no DELETE was sent, since what must come before failed.

        One that is gone already needs neither. Where the store no longer takes the caller, the run
        stops.
        """
        self._sender.repeat_preflight(target.store)
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
            outcome = deletion_outcome((*target.earlier, ReplyKind.NOT_FOUND), seen.presence)
            detail = ""
        return self._verified(target, seen, outcome, detail, is_declared=True)

    def _unrecorded(self, target: Target, error: JournalError) -> InstanceResult:
        """Account for an instance of which nothing can be recorded, so that no DELETE is sent."""
        self._stop.request(RunState.STOPPED, str(error))
        return target.result(Outcome.NOT_ATTEMPTED, str(error))

    def _not_sent(self, target: Target, *, is_on_record: bool) -> InstanceResult:
        """Account for an instance whose DELETE never left; an intent on record is taken back."""
        reason = self._stop.reason or ""
        if not is_on_record:
            return target.result(Outcome.NOT_ATTEMPTED, reason)
        return self._verified(target, unknown("not looked at"), Outcome.NOT_ATTEMPTED, reason)

    def _verified(
        self,
        target: Target,
        seen: Observation,
        outcome: Outcome,
        detail: str,
        *,
        is_declared: bool = False,
    ) -> InstanceResult:
        """Record the proof; where no intent says it, with the removal that the files declare."""
        declared = (target.source, target.group.reason) if is_declared else (None, None)
        now = self._sender.now()
        record = Verified(
            now, target.index, target.instance, seen.presence, outcome, detail, *declared
        )
        self._sender.record(record)
        return target.result(outcome, detail)

    def _store(self, target: Target) -> DicomStore:
        return self._sender.store(target.store, target.group.reason.ticket)


def not_taken_over(target: Target, seen: Observation) -> InstanceResult:
    """What an earlier run of the plan proved gone, and what a listing shows now; it stays so."""
    detail = f"an earlier run proved it gone, but a listing shows it; retrieve: {seen.detail}"
    return target.result(Outcome.UNCONFIRMED, detail)


def _explain(reply: Reply, seen: Observation) -> str:
    """Say in one line why the deletion is not proven."""
    look = seen.presence.value + (f" ({seen.detail})" if seen.detail else "")
    return f"DELETE: {reply.detail or reply.kind.value}; retrieve: {look}"
