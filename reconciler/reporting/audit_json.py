"""An audit report for machines: ``schemas/audit-report.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.model.audit import (
    AuditReport,
    ChangingRun,
    LastSeen,
    Reappearance,
    Refusal,
    Selection,
)
from reconciler.model.deletion import RecordedDeletion
from reconciler.reporting.wording import utc

FORMAT_VERSION = "1.0"


def report_as_json(report: AuditReport, deletions: Iterable[RecordedDeletion]) -> Iterator[str]:
    """Render in pieces, a deletion a line."""
    header = {
        "format_version": FORMAT_VERSION,
        "selection": _selection(report.selection),
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
        "by_month_and_reason": {
            month: dict(counts) for month, counts in report.by_month_and_reason.items()
        },
        "by_actor": dict(report.by_actor),
        "changes": [_change(one) for one in report.changes],
        "refusals": [_refusal(one) for one in report.refusals],
        "reappeared": [_reappearance(one) for one in report.reappeared],
        "kept": [_last_seen(one) for one in report.kept],
        "problems": list(report.problems),
    }
    yield "{\n" + "".join(f"  {json.dumps(key)}: {json.dumps(header[key])},\n" for key in header)
    yield '  "deletions": ['
    separator = "\n    "
    for deletion in deletions:
        yield separator + json.dumps(_deletion(deletion))
        separator = ",\n    "
    yield "]\n}\n" if separator == "\n    " else "\n  ]\n}\n"


def _selection(selection: Selection) -> dict[str, Any]:
    return {
        "since": selection.since and utc(selection.since),
        "until": selection.until and utc(selection.until),
        "studies": sorted(selection.studies),
        "reasons": sorted(selection.reasons),
        "runs": sorted(selection.runs),
    }


def _deletion(deletion: RecordedDeletion) -> dict[str, Any]:
    reason, source = deletion.reason, deletion.source
    return {
        "time": utc(deletion.time),
        "run": deletion.attempted_in,
        "settled_by": deletion.run.run if deletion.settles else None,
        **deletion.store.as_parameters(),
        **deletion.instance.as_parameters(),
        "outcome": deletion.outcome.value,
        "presence": deletion.presence.value,
        "actor": deletion.attempted_by,
        "reason": reason
        and {"code": reason.code.value, "text": reason.text, "ticket": reason.ticket},
        "declared_at": source and {"path": source.path, "line": source.line},
        "archive_sha256": deletion.copy and deletion.copy.sha256,
        "patient": deletion.patient,
        "attempts": deletion.attempts,
        "status": deletion.status,
        "request_id": deletion.request_id,
        "detail": deletion.detail,
    }


def _change(change: ChangingRun) -> dict[str, Any]:
    provenance = change.provenance
    requester = provenance.requester
    return {
        "run": change.run,
        "time": utc(change.time),
        "digest": change.digest,
        "restores": list(change.restores),
        "actor": provenance.actor,
        "requester": requester
        and {
            "ci": requester.ci,
            "user": requester.user,
            "change": requester.change,
            "pipeline": requester.pipeline,
            "approvers": list(requester.approvers),
        },
        "commit": provenance.git and provenance.git.commit,
        "head": change.head,
    }


def _reappearance(one: Reappearance) -> dict[str, Any]:
    return {
        "time": utc(one.time),
        "run": one.run,
        **one.store.as_parameters(),
        "instances": one.instances,
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
