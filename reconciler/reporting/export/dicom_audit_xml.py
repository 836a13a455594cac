"""One audit message of DICOM PS3.15 section A.5 as XML, by the schema of section A.5.1.1.

It is DICOM Study Deleted (A.5.3.8) where every deletion that empties the study is proven, else
DICOM Instances Accessed (A.5.3.6) with the action D.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from reconciler.model.deletion import RecordedDeletion
from reconciler.model.outcome import Outcome
from reconciler.model.time import format_time
from reconciler.reporting.export.shown import shown
from reconciler.reporting.wording import UNKNOWN, describe_counts

_SUCCESS, _MINOR_FAILURE, _SERIOUS_FAILURE = "0", "4", "8"
_PERMANENT_ERASURE = "15"
_ACCESS_OR_USE = "6"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """What one message says: of the instances ``uids``, all that holds of ``example`` holds.

    But not its outcome, which is one of ``outcomes``, all successes or all failures.
    """

    example: RecordedDeletion
    time: datetime
    uids: Sequence[str]
    patient_id: str | None
    outcomes: Mapping[str, int]
    empties_study: bool


def event_as_xml(event: AuditEvent) -> str:
    """The message in ASCII on one line."""
    root = Element("AuditMessage")
    _event(root, event)
    for participant in _participants(event.example):
        root.append(participant)
    _source(root)
    _study(root, event)
    _patient(root, event.patient_id)
    xml: bytes = tostring(root, encoding="us-ascii", xml_declaration=False)
    return xml.decode("ascii")


def _event(root: Element, event: AuditEvent) -> None:
    deletion = event.example
    identification = SubElement(
        root,
        "EventIdentification",
        EventActionCode="D",
        EventDateTime=format_time(event.time),
        EventOutcomeIndicator=outcome_indicator(deletion.outcome),
    )
    if event.empties_study:
        _code(identification, "EventID", "110105", "DICOM Study Deleted")
    else:
        _code(identification, "EventID", "110103", "DICOM Instances Accessed")
    if deletion.reason is not None:
        reason = deletion.reason.code
        _code(identification, "EventTypeCode", reason.value, reason.meaning)
    SubElement(identification, "EventOutcomeDescription").text = describe_counts(event.outcomes)


def outcome_indicator(outcome: Outcome) -> str:
    """By table A.5.2-1: 4 where nothing may have happened, 8 where it was tried and is not so."""
    if outcome.is_proven:
        return _SUCCESS
    return _MINOR_FAILURE if outcome is Outcome.NOT_ATTEMPTED else _SERIOUS_FAILURE


def life_cycle(outcome: Outcome) -> str:
    """By RFC 3881 section 5.5.3: permanent erasure only where this attempt may have brought it."""
    return _PERMANENT_ERASURE if outcome.is_removal else _ACCESS_OR_USE


def _participants(deletion: RecordedDeletion) -> Iterator[Element]:
    """The process, as the store knows it, and the person who had it run where a CI tells that."""
    run = deletion.run
    requester = run.provenance.requester.user if run.provenance.requester else None
    process = Element(
        "ActiveParticipant",
        UserID=shown(run.provenance.actor or UNKNOWN),
        UserName=shown(f"reconciler {run.tool_version}"),
        UserIsRequestor="false" if requester else "true",
    )
    _code(process, "RoleIDCode", "110150", "Application")
    yield process
    if requester:
        yield Element("ActiveParticipant", UserID=shown(requester), UserIsRequestor="true")


def _source(root: Element) -> None:
    source = SubElement(root, "AuditSourceIdentification", AuditSourceID="reconciler")
    # Application server process tier, section A.5.1.2.1.
    SubElement(source, "AuditSourceTypeCode", {"csd-code": "4"})


def _study(root: Element, event: AuditEvent) -> None:
    deletion = event.example
    study = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=deletion.instance.study_uid,
        ParticipantObjectTypeCode="2",
        ParticipantObjectTypeCodeRole="3",
        ParticipantObjectDataLifeCycle=life_cycle(deletion.outcome),
    )
    _code(study, "ParticipantObjectIDTypeCode", "110180", "Study Instance UID")
    SubElement(study, "ParticipantObjectName").text = "DICOM study"
    for name, value in _details(deletion):
        encoded = b64encode(value.encode("utf-8", "backslashreplace")).decode("ascii")
        SubElement(study, "ParticipantObjectDetail", type=name, value=encoded)
    description = SubElement(study, "ParticipantObjectDescription")
    # The record does not hold the SOP Class, and the schema asks for it only where it is known.
    instances = SubElement(description, "SOPClass", NumberOfInstances=str(len(event.uids)))
    for uid in event.uids:
        SubElement(instances, "Instance", UID=uid)


def _details(deletion: RecordedDeletion) -> Iterator[tuple[str, str]]:
    yield "store", str(deletion.store)
    yield "endpoint", deletion.run.endpoint
    yield "run", deletion.run.run
    yield "planDigest", deletion.run.digest
    if deletion.reason is not None and deletion.reason.ticket:
        yield "ticket", deletion.reason.ticket


def _patient(root: Element, patient_id: str | None) -> None:
    patient = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=shown(patient_id or UNKNOWN),
        ParticipantObjectTypeCode="1",
        ParticipantObjectTypeCodeRole="1",
    )
    _code(patient, "ParticipantObjectIDTypeCode", "2", "Patient ID", system="RFC-3881")
    # The schema requires a name of it; the patient's own is in no record.
    SubElement(patient, "ParticipantObjectName").text = "patient"


def _code(parent: Element, tag: str, code: str, meaning: str, *, system: str = "DCM") -> None:
    given = {"csd-code": code, "codeSystemName": system, "originalText": meaning}
    SubElement(parent, tag, given)
