"""Deletions → CSV (RFC 4180): a header, and a record for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model.deletion import RecordedDeletion
from reconciler.model.time import format_time
from reconciler.reporting.export.shown import as_csv_cell

COLUMNS = (
    "time",
    "run",
    "store",
    "studiesId",
    "seriesId",
    "instancesId",
    "outcome",
    "presence",
    "detail",
    "attempts",
    "http_status",
    "request_id",
    "earlier_answers",
    "settled_by",
    "restored_by",
    "empties_study",
    "reason_code",
    "reason",
    "reason_text",
    "ticket",
    "source",
    "archive_sha256",
    "patient",
    "actor",
    "requester",
    "approvers",
    "change",
    "pipeline",
    "commit",
    "plan_id",
    "digest",
    "endpoint",
    "tool_version",
)


def deletions_as_csv(deletions: Iterable[RecordedDeletion]) -> Iterator[str]:
    """Times are UTC in milliseconds; what is not known is empty."""
    yield ",".join(COLUMNS) + "\r\n"
    for deletion in deletions:
        yield ",".join(map(as_csv_cell, _cells(deletion))) + "\r\n"


def _cells(deletion: RecordedDeletion) -> Iterator[str]:
    yield from _what(deletion)
    yield from _why(deletion)
    yield from _who(deletion)


def _what(deletion: RecordedDeletion) -> Iterator[str]:
    yield format_time(deletion.time)
    yield deletion.run.run
    yield str(deletion.store)
    yield from deletion.instance
    yield deletion.outcome.value
    yield deletion.presence.value if deletion.presence else ""
    yield deletion.detail
    yield str(deletion.attempts)
    yield "" if deletion.status is None else str(deletion.status)
    yield deletion.request_id or ""
    yield "; ".join(f"{one.status or 'none'} {one.request_id}" for one in deletion.answers[:-1])
    yield deletion.settled_by or ""
    yield deletion.restored_by or ""
    yield "true" if deletion.empties_study else ""


def _why(deletion: RecordedDeletion) -> Iterator[str]:
    reason = deletion.reason
    yield reason.code.value if reason else ""
    yield reason.code.meaning if reason else ""
    yield (reason.text if reason else None) or ""
    yield (reason.ticket if reason else None) or ""
    yield str(deletion.source) if deletion.source else ""
    yield deletion.copy.sha256 if deletion.copy else ""
    yield deletion.patient or ""


def _who(deletion: RecordedDeletion) -> Iterator[str]:
    run, requester = deletion.run, deletion.run.provenance.requester
    yield deletion.actor or ""
    yield (requester.user if requester else None) or ""
    yield " ".join(requester.approvers) if requester else ""
    yield (requester.change if requester else None) or ""
    yield (requester.pipeline if requester else None) or ""
    yield run.provenance.git.commit if run.provenance.git else ""
    yield from (run.plan_id, run.digest, run.endpoint, run.tool_version)
