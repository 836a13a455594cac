"""Deletions → events of the Open Cybersecurity Schema Framework, one JSON object a line.

The class is API Activity (https://schema.ocsf.io/1.8.0/classes/api_activity), one event for each
deletion. Nothing in it is a patient's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from reconciler.model.deletion import RecordedDeletion
from reconciler.model.outcome import Outcome
from reconciler.reporting.ci.fingerprints import deletion_fingerprint
from reconciler.reporting.export.shown import shown
from reconciler.reporting.wording import describe_evidence

OCSF_VERSION = "1.8.0"

_CATEGORY, _CLASS, _DELETE = 6, 6003, 4
_INFORMATIONAL, _MEDIUM = 1, 3


def deletions_as_ocsf(deletions: Iterable[RecordedDeletion]) -> Iterator[str]:
    """An event a line; an attribute that the record does not hold is left out."""
    for deletion in deletions:
        yield json.dumps(_event(deletion), separators=(",", ":")) + "\n"


def _status(outcome: Outcome) -> tuple[int, str]:
    if outcome.is_proven:
        return 1, "Success"
    return (0, "Unknown") if outcome is Outcome.UNCONFIRMED else (2, "Failure")


def _event(deletion: RecordedDeletion) -> dict[str, Any]:
    status_id, status = _status(deletion.outcome)
    return _known(
        activity_id=_DELETE,
        activity_name="Delete",
        category_uid=_CATEGORY,
        category_name="Application Activity",
        class_uid=_CLASS,
        class_name="API Activity",
        type_uid=_CLASS * 100 + _DELETE,
        type_name="API Activity: Delete",
        time=round(deletion.time.timestamp() * 1000),
        severity_id=_INFORMATIONAL if deletion.outcome.is_gone else _MEDIUM,
        severity="Informational" if deletion.outcome.is_gone else "Medium",
        status_id=status_id,
        status=status,
        status_code=deletion.outcome.value,
        status_detail=shown(deletion.detail) or None,
        message=f"DICOM instance {deletion.outcome.value}: {describe_evidence(deletion)}",
        metadata=_metadata(deletion),
        actor=_actor(deletion),
        api=_api(deletion),
        src_endpoint={"svc_name": "reconciler"},
        dst_endpoint=_endpoint(deletion.run.endpoint),
        resources=[_resource(deletion)],
        unmapped=_unmapped(deletion),
    )


def _metadata(deletion: RecordedDeletion) -> dict[str, Any]:
    return {
        "version": OCSF_VERSION,
        "product": {
            "name": "reconciler",
            "vendor_name": "reconciler",
            "version": shown(deletion.run.tool_version),
        },
        "uid": deletion_fingerprint(deletion),
        "correlation_uid": deletion.run.run,
        "log_name": "journal",
    }


def _actor(deletion: RecordedDeletion) -> dict[str, Any]:
    """The principal that the store knows, and the tool that spoke for it."""
    actor = deletion.actor
    return _known(
        app_name="reconciler",
        user={"name": shown(actor)} if actor else None,
    )


def _api(deletion: RecordedDeletion) -> dict[str, Any]:
    return _known(
        operation=deletion.store.provider.facts.deletion,
        service={"name": "DICOMweb"},
        request={"uid": shown(deletion.request_id)} if deletion.request_id else None,
        response=None if deletion.status is None else {"code": deletion.status},
    )


def _endpoint(endpoint: str) -> dict[str, Any]:
    try:
        parts = urlsplit(endpoint)
        hostname, port = parts.hostname, parts.port
    except ValueError:  # a record may hold what no run of this tool would have asked
        hostname = port = None
    return _known(svc_name=shown(endpoint), hostname=hostname, port=port)


def _resource(deletion: RecordedDeletion) -> dict[str, Any]:
    study, series, instance = deletion.instance
    path = f"{deletion.store}/dicomWeb/studies/{study}/series/{series}/instances/{instance}"
    return {"type": "DICOM instance", "uid": instance, "name": path}


def _unmapped(deletion: RecordedDeletion) -> dict[str, Any]:
    """What an auditor asks and the class has no place for, under the names of the journal."""
    reason, requester = deletion.reason, deletion.run.provenance.requester
    return _known(
        planDigest=deletion.run.digest,
        settledBy=deletion.settled_by,
        attempts=deletion.attempts,
        presence=deletion.presence.value if deletion.presence else None,
        reasonCode=reason.code.value if reason else None,
        reason=reason.code.meaning if reason else None,
        reasonText=shown(reason.text) if reason and reason.text else None,
        ticket=shown(reason.ticket) if reason and reason.ticket else None,
        patient=deletion.patient,
        source=shown(str(deletion.source)) if deletion.source else None,
        requester=shown(requester.user) if requester and requester.user else None,
        change=shown(requester.change) if requester and requester.change else None,
        pipeline=shown(requester.pipeline) if requester and requester.pipeline else None,
    )


def _known(**attributes: Any) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}
