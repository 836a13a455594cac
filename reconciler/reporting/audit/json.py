"""An audit report for machines: ``schemas/audit-report.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.model.audit import (
    AuditReport,
    CameBack,
    ChangingRun,
    Coverage,
    ImagesRead,
    LastSeen,
    PutBack,
    Refusal,
    RefusedApply,
    Selection,
)
from reconciler.model.deletion import RecordedDeletion
from reconciler.model.provenance import Provenance
from reconciler.model.time import format_time
from reconciler.model.verification import Verification

FORMAT_VERSION = "1.0"


def report_as_json(report: AuditReport, deletions: Iterable[RecordedDeletion]) -> Iterator[str]:
    """Render in pieces, a deletion a line."""
    header = {
        "format_version": FORMAT_VERSION,
        "made": format_time(report.made),
        "tool_version": report.tool_version,
        "verification": _verification(report.verification),
        "heads": list(report.heads),
        "selection": _selection(report.selection),
        "runs": report.runs,
        "first": report.first and format_time(report.first),
        "last": report.last and format_time(report.last),
        "removed": {
            "instances": report.removed.instances,
            "series": report.removed.series,
            "studies": report.removed.studies,
            "unclear": report.removed.unclear,
            "again": report.removed.again,
        },
        "restored_since": report.restored_since,
        "proven_later": report.proven_later,
        "unproven": len(report.unproven),
        "outcomes": {outcome.value: count for outcome, count in report.outcomes.items()},
        "restored": {outcome.value: count for outcome, count in report.restored.items()},
        "by_reason": dict(report.by_reason),
        "by_store": dict(report.by_store),
        "by_month": dict(report.by_month),
        "by_month_and_reason": {
            month: dict(counts) for month, counts in report.by_month_and_reason.items()
        },
        "by_actor": dict(report.by_actor),
        "coverage": [_coverage(one) for one in report.coverage],
        "changes": [_change(one) for one in report.changes],
        "refusals": [_refusal(one) for one in report.refusals],
        "refused_applies": [_refused_apply(one) for one in report.refused_applies],
        "came_back": [_came_back(one) for one in report.came_back],
        "put_back": [_put_back(one) for one in report.put_back],
        "kept": [_last_seen(one) for one in report.kept],
        "images_read": [_images_read(one) for one in report.images_read],
        "problems": list(report.problems),
    }
    yield "{\n" + "".join(f"  {json.dumps(key)}: {json.dumps(header[key])},\n" for key in header)
    yield '  "deletions": ['
    separator = "\n    "
    for deletion in deletions:
        yield separator + json.dumps(_deletion(deletion))
        separator = ",\n    "
    yield "]\n}\n" if separator == "\n    " else "\n  ]\n}\n"


def _verification(verification: Verification) -> dict[str, Any]:
    return {
        "runs": verification.runs,
        "records": verification.records,
        "findings": [
            {"kind": one.kind.value, "place": one.place, "message": one.message}
            for one in verification.findings
        ],
    }


def _selection(selection: Selection) -> dict[str, Any]:
    return {
        "since": selection.since and format_time(selection.since),
        "until": selection.until and format_time(selection.until),
        "studies": sorted(selection.studies),
        "reasons": sorted(selection.reasons),
        "runs": sorted(selection.runs),
    }


def _deletion(deletion: RecordedDeletion) -> dict[str, Any]:
    source, reason, copy = deletion.source, deletion.reason, deletion.copy
    return {
        "time": format_time(deletion.time),
        "run": deletion.run.run,
        "settled_by": deletion.settled_by,
        "restored_by": deletion.restored_by,
        **deletion.store.as_parameters(),
        **deletion.instance.as_parameters(),
        "outcome": deletion.outcome.value,
        "is_removal": deletion.is_removal,
        "presence": deletion.presence and deletion.presence.value,
        "empties_study": deletion.empties_study,
        "actor": deletion.actor,
        "reason": reason
        and {"code": reason.code.value, "text": reason.text, "ticket": reason.ticket},
        "declared_at": source and {"path": source.path, "line": source.line},
        "archived": copy
        and {"path": str(copy.file), "sha256": copy.sha256, "damage": copy.damage or None},
        "patient": deletion.patient,
        "attempts": deletion.attempts,
        "answers": [
            {"status": one.status, "request_id": one.request_id} for one in deletion.answers
        ],
        "detail": deletion.detail,
    }


def _coverage(coverage: Coverage) -> dict[str, Any]:
    return {
        "time": format_time(coverage.time),
        "run": coverage.run,
        "files": list(coverage.files),
        "asked": coverage.asked,
        "proven": coverage.proven,
        "gone": coverage.gone,
        "counts": {why.value: count for why, count in coverage.counts.items()},
    }


def _change(change: ChangingRun) -> dict[str, Any]:
    return {
        "run": change.run,
        "time": format_time(change.time),
        "digest": change.digest,
        "restores": list(change.restores),
        "planned": change.planned,
        "state": change.state and change.state.value,
        "counts": dict(change.counts) if change.counts is not None else None,
        "stopped_because": change.stopped_because,
        **_provenance(change.provenance),
        "head": change.head,
    }


def _provenance(provenance: Provenance) -> dict[str, Any]:
    requester = provenance.requester
    return {
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
    }


def _refusal(refusal: Refusal) -> dict[str, Any]:
    return {
        "time": format_time(refusal.time),
        "run": refusal.run,
        **refusal.store.as_parameters(),
        "gate": refusal.gate.value,
        "studiesId": refusal.study_uid,
        "actual": refusal.actual,
        "allowed": refusal.allowed,
        **_provenance(refusal.provenance),
    }


def _refused_apply(refused: RefusedApply) -> dict[str, Any]:
    return {
        "time": format_time(refused.time),
        "run": refused.run,
        "digest": refused.digest,
        "why": refused.why,
        **_provenance(refused.provenance),
    }


def _came_back(one: CameBack) -> dict[str, Any]:
    return {
        "time": format_time(one.time),
        **one.store.as_parameters(),
        **one.instance.as_parameters(),
        "removed_by": one.removed_by,
        "code": one.code.value,
        "restored": one.restored,
    }


def _put_back(one: PutBack) -> dict[str, Any]:
    return {
        "time": format_time(one.time),
        "run": one.run,
        **one.store.as_parameters(),
        **one.instance.as_parameters(),
        "archived_by": one.archived_by,
        "outcome": one.outcome.value,
    }


def _last_seen(seen: LastSeen) -> dict[str, Any]:
    return {
        "time": format_time(seen.time),
        "seen": seen.seen and format_time(seen.seen),
        "is_current": seen.is_current,
        **seen.store.as_parameters(),
        "studiesId": seen.study_uid,
        "seriesId": seen.series_uid,
        "declared_at": {"path": seen.source.path, "line": seen.source.line},
        "hold": seen.hold,
        "instances": seen.instances,
        "missing": seen.missing,
    }


def _images_read(read: ImagesRead) -> dict[str, Any]:
    return {
        "time": format_time(read.time),
        "run": read.run,
        "instances": read.instances,
        "problems": read.problems,
        **_provenance(read.provenance),
    }
