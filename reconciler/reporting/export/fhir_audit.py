"""Deletions → AuditEvent of FHIR R4 (http://hl7.org/fhir/R4/auditevent.html), one JSON a line.

They follow the delete pattern of IHE's Basic Audit Log Patterns
(https://profiles.ihe.net/ITI/BALP/), one event for each deletion. An instance has a patient, and
the profile is for what was erased: where the patient is not known, or nothing was, an event has the
same shape and does not claim it. Where the profile asks for what the
record does not hold, the data-absent-reason extension says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.model.deletion import RecordedDeletion
from reconciler.model.time import format_time
from reconciler.reporting.ci.fingerprints import deletion_fingerprint
from reconciler.reporting.export.dicom_audit import PatientOf
from reconciler.reporting.export.dicom_audit_xml import outcome_indicator
from reconciler.reporting.export.shown import shown
from reconciler.reporting.wording import UNKNOWN, describe_evidence

BALP = "https://profiles.ihe.net/ITI/BALP"
PATIENT_DELETE_PROFILE = f"{BALP}/StructureDefinition/IHE.BasicAudit.PatientDelete"

_BALP_ENTITIES = f"{BALP}/CodeSystem/BasicAuditEntityType"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_ABSENT = {
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
            "valueCode": "unknown",
        }
    ]
}


def deletions_as_fhir(
    deletions: Iterable[RecordedDeletion], patient_of: PatientOf
) -> Iterator[str]:
    """An event a line; ``patient_of`` tells the id of the patient, if it can.

    The same deletion has the same id in every export, so that sending it twice by PUT is harmless.
    """
    for deletion in deletions:
        event = _event(deletion, patient_of(deletion))
        yield json.dumps(event, separators=(",", ":")) + "\n"


def _event(deletion: RecordedDeletion, patient_id: str | None) -> dict[str, Any]:
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": deletion_fingerprint(deletion),
        "type": _coding(f"{_TERMINOLOGY}/audit-event-type", "rest", "Restful Operation"),
        "subtype": [
            _coding("http://hl7.org/fhir/restful-interaction", "delete", "delete"),
            _coding(_DCM, "110103", "DICOM Instances Accessed"),
        ],
        "action": "D",
        "recorded": format_time(deletion.time),
        "outcome": outcome_indicator(deletion.outcome),
        "outcomeDesc": ": ".join(filter(None, (deletion.outcome.value, shown(deletion.detail)))),
        "agent": list(_agents(deletion)),
        "source": {
            "observer": {"display": f"reconciler {shown(deletion.run.tool_version)}"},
            "type": [_coding(f"{_TERMINOLOGY}/security-source-type", "4", "Application Server")],
        },
        "entity": list(_entities(deletion, patient_id)),
    }
    if patient_id and deletion.outcome.is_removal:
        event["meta"] = {"profile": [PATIENT_DELETE_PROFILE]}
    if deletion.reason is not None:
        code = deletion.reason.code
        event["purposeOfEvent"] = [{"coding": [_coding(_DCM, code.value, code.meaning)]}]
    return event


def _agents(deletion: RecordedDeletion) -> Iterator[dict[str, Any]]:
    """The tool as the store knows it, the store, and the person where a CI tells who it was."""
    run = deletion.run
    requester = run.provenance.requester.user if run.provenance.requester else None
    yield {
        "type": _concept(_DCM, "110150", "Application"),
        "who": {"identifier": {"value": shown(deletion.actor or UNKNOWN)}},
        "name": f"reconciler {shown(run.tool_version)}",
        "requestor": not requester,
        "network": _ABSENT,
    }
    yield {
        "type": _concept(f"{_TERMINOLOGY}/provenance-participant-type", "custodian", "Custodian"),
        "who": {"identifier": {"value": str(deletion.store)}},
        "requestor": False,
        "network": {"address": run.endpoint, "type": "5"},
    }
    if requester:
        yield {
            "type": _concept(f"{_TERMINOLOGY}/v3-ParticipationType", "AUT", "author (originator)"),
            "who": {"identifier": {"value": shown(requester)}},
            "requestor": True,
        }


def _entities(deletion: RecordedDeletion, patient_id: str | None) -> Iterator[dict[str, Any]]:
    if deletion.request_id:
        yield {
            "type": _coding(_BALP_ENTITIES, "XrequestId", "X-Request-Id"),
            "what": {"identifier": {"value": shown(deletion.request_id)}},
        }
    uid = {"system": "urn:dicom:uid", "value": f"urn:oid:{deletion.instance.instance_uid}"}
    yield {
        "type": _coding(f"{_TERMINOLOGY}/audit-entity-type", "2", "System Object"),
        "role": _coding(f"{_TERMINOLOGY}/object-role", "4", "Domain Resource"),
        "what": {"identifier": uid},
        "detail": [
            {"type": name, "valueString": shown(value)} for name, value in _details(deletion)
        ],
    }
    if patient_id:
        yield {
            "type": _coding(f"{_TERMINOLOGY}/audit-entity-type", "1", "Person"),
            "role": _coding(f"{_TERMINOLOGY}/object-role", "1", "Patient"),
            "what": {"type": "Patient", "identifier": {"value": shown(patient_id)}},
        }


def _details(deletion: RecordedDeletion) -> Iterator[tuple[str, str]]:
    yield "studiesId", deletion.instance.study_uid
    yield "seriesId", deletion.instance.series_uid
    yield "run", deletion.run.run
    yield "planDigest", deletion.run.digest
    yield "evidence", describe_evidence(deletion)
    if deletion.settled_by:
        yield "settledBy", deletion.settled_by
    if deletion.status is not None:
        yield "httpStatus", str(deletion.status)
    if deletion.source is not None:
        yield "source", str(deletion.source)
    if deletion.reason is not None and deletion.reason.ticket:
        yield "ticket", deletion.reason.ticket
    if deletion.reason is not None and deletion.reason.text:
        yield "reason", deletion.reason.text


def _coding(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code, "display": display}


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [_coding(system, code, display)]}
