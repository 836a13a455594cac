"""An audit report for machines: ``schemas/audit-report.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.model.audit import AuditReport, LastSeen, Refusal, Removal
from reconciler.reporting.audit_csv import utc

FORMAT_VERSION = "1.0"


def report_as_json(report: AuditReport, removals: Iterable[Removal]) -> Iterator[str]:
    """Render in pieces, a removal a line."""
    header = {
        "format_version": FORMAT_VERSION,
        "runs": report.runs,
        "first": report.first and utc(report.first),
        "last": report.last and utc(report.last),
        "planned": report.planned,
        "gone": report.gone,
        "outcomes": {outcome.value: count for outcome, count in report.outcomes.items()},
        "restored": {outcome.value: count for outcome, count in report.restored.items()},
        "by_reason": dict(report.by_reason),
        "by_store": dict(report.by_store),
        "by_month": dict(report.by_month),
        "by_actor": dict(report.by_actor),
        "refusals": [_refusal(one) for one in report.refusals],
        "kept": [_last_seen(one) for one in report.kept],
        "problems": list(report.problems),
    }
    yield "{\n" + "".join(f"  {json.dumps(key)}: {json.dumps(header[key])},\n" for key in header)
    yield '  "removals": ['
    separator = "\n    "
    for removal in removals:
        yield separator + json.dumps(_removal(removal))
        separator = ",\n    "
    yield "]\n}\n" if separator == "\n    " else "\n  ]\n}\n"


def _removal(removal: Removal) -> dict[str, Any]:
    reason, source = removal.reason, removal.source
    return {
        "time": utc(removal.time),
        "run": removal.run,
        **removal.store.as_parameters(),
        **removal.instance.as_parameters(),
        "outcome": removal.outcome.value,
        "presence": removal.presence.value,
        "actor": removal.actor,
        "reason": reason
        and {"code": reason.code.value, "text": reason.text, "ticket": reason.ticket},
        "declared_at": source and {"path": source.path, "line": source.line},
        "status": removal.status,
        "request_id": removal.request_id,
        "detail": removal.detail,
    }


def _refusal(refusal: Refusal) -> dict[str, Any]:
    return {
        "time": utc(refusal.time),
        "run": refusal.run,
        **refusal.store.as_parameters(),
        "gate": refusal.gate.value,
        "studiesId": refusal.study_uid,
        "actual": refusal.actual,
        "allowed": refusal.allowed,
    }


def _last_seen(seen: LastSeen) -> dict[str, Any]:
    return {
        "time": utc(seen.time),
        **seen.store.as_parameters(),
        "studiesId": seen.study_uid,
        "seriesId": seen.series_uid,
        "declared_at": {"path": seen.source.path, "line": seen.source.line},
        "hold": seen.hold,
        "instances": seen.instances,
    }
