"""Deletions → audit messages of DICOM PS3.15 section A.5, one line of XML each.

A message is about one study of one run and one store, one patient and one reason; successes and
failures are apart. Of a study that is emptied the message with the last deletion says so, so that
it is stated once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from reconciler.model.address import StoreAddress
from reconciler.model.deletion import RecordedDeletion
from reconciler.model.desired import Reason
from reconciler.model.outcome import Operation, Outcome
from reconciler.reporting.export.dicom_audit_xml import (
    AuditEvent,
    event_as_xml,
    life_cycle,
    outcome_indicator,
)

PatientOf = Callable[[RecordedDeletion], str | None]
"""What tells the patient id of a deletion, or what stands in its place; None where nothing does."""

MAX_OCTETS = 32_000
"""Every receiver takes 32,768 octets (section A.6); the rest is room for the syslog header."""

_OPEN_EVENTS = 1024
_ROOM = len("</SOPClass>") + 3 + len("1,000 deleted, 1,000 absent_after_ambiguous_attempt")
"""What a message takes beside its instances, more than an empty one: their counts, at most."""
_INSTANCE_OCTETS = len('<Instance UID="" />')


@dataclass(frozen=True, slots=True)
class AuditMessage:
    """One message in ASCII, without a line's end, at most `MAX_OCTETS` long; ``time`` is UTC."""

    xml: str
    time: datetime
    is_success: bool


@dataclass(frozen=True, slots=True)
class _Subject:
    """What the deletions of one message have in common."""

    run: str
    store: StoreAddress
    study_uid: str
    patient_id: str | None
    indicator: str
    life_cycle: str
    reason: Reason | None


def audit_messages(
    deletions: Iterable[RecordedDeletion], patient_of: PatientOf
) -> Iterator[AuditMessage]:
    """Gather deletions into messages; ``patient_of`` tells the id of the patient, if it can.

    A study has more than one message where its instances do not fit into one, or where a thousand
    others were begun since; so memory stays small however long the record is.
    """
    begun: dict[_Subject, _Gathering] = {}
    for deletion in deletions:
        subject = _subject(deletion, patient_of(deletion))
        gathering = begun.pop(subject, None)
        if gathering is not None and not gathering.has_room_for(deletion):
            yield gathering.message()
            gathering = None
        if gathering is None:
            gathering = _Gathering(deletion, subject)
        gathering.add(deletion)
        begun[subject] = gathering
        if len(begun) > _OPEN_EVENTS:
            yield begun.pop(next(iter(begun))).message()
    for gathering in begun.values():
        yield gathering.message()


def _subject(deletion: RecordedDeletion, patient_id: str | None) -> _Subject:
    return _Subject(
        deletion.run.run,
        deletion.store,
        deletion.instance.study_uid,
        patient_id,
        outcome_indicator(deletion.outcome),
        life_cycle(deletion.outcome),
        deletion.reason,
    )


class _Gathering:
    """A message to which instances are added while they fit."""

    def __init__(self, first: RecordedDeletion, subject: _Subject) -> None:
        self._first = first
        self._patient_id = subject.patient_id
        self._time = first.time
        self._uids: list[str] = []
        self._outcomes: Counter[Outcome] = Counter()
        self._empties_study = False
        self._octets = len(self._xml()) + _ROOM

    def has_room_for(self, deletion: RecordedDeletion) -> bool:
        return self._octets + _octets_of(deletion) <= MAX_OCTETS

    def add(self, deletion: RecordedDeletion) -> None:
        self._uids.append(deletion.instance.instance_uid)
        self._octets += _octets_of(deletion)
        self._time = max(self._time, deletion.time)
        self._outcomes[deletion.outcome] += 1
        self._empties_study |= deletion.empties_study

    def message(self) -> AuditMessage:
        return AuditMessage(self._xml(), self._time, self._first.outcome.is_gone)

    def _xml(self) -> str:
        return event_as_xml(
            AuditEvent(
                self._first,
                self._time,
                self._uids,
                self._patient_id,
                {one.value: self._outcomes[one] for one in Operation.APPLY.outcomes},
                empties_study=self._empties_study,
            )
        )


def _octets_of(deletion: RecordedDeletion) -> int:
    return _INSTANCE_OCTETS + len(deletion.instance.instance_uid)
