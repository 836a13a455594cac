"""Deletions → CSV (RFC 4180): a header, and a record for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from reconciler.model.deletion import RecordedDeletion
from reconciler.model.provenance import Requester
from reconciler.model.time import format_time
from reconciler.reporting.export.shown import as_csv_cell

_CELLS: Mapping[str, Callable[[RecordedDeletion], object]] = {
    "time": lambda one: format_time(one.time),
    "run": lambda one: one.run.run,
    "store": lambda one: one.store,
    "studiesId": lambda one: one.instance.study_uid,
    "seriesId": lambda one: one.instance.series_uid,
    "instancesId": lambda one: one.instance.instance_uid,
    "outcome": lambda one: one.outcome.value,
    "presence": lambda one: one.presence and one.presence.value,
    "detail": lambda one: one.detail,
    "attempts": lambda one: one.attempts,
    "http_status": lambda one: one.status,
    "request_id": lambda one: one.request_id,
    "earlier_answers": lambda one: "; ".join(
        f"{answer.status or 'none'} {answer.request_id}" for answer in one.answers[:-1]
    ),
    "settled_by": lambda one: one.settled_by,
    "restored_by": lambda one: one.restored_by,
    "empties_study": lambda one: "true" if one.empties_study else "",
    "reason_code": lambda one: one.reason and one.reason.code.value,
    "reason": lambda one: one.reason and one.reason.code.meaning,
    "reason_text": lambda one: one.reason and one.reason.text,
    "ticket": lambda one: one.reason and one.reason.ticket,
    "source": lambda one: one.source,
    "archive_sha256": lambda one: one.copy and one.copy.sha256,
    "patient": lambda one: one.patient,
    "actor": lambda one: one.actor,
    "requester": lambda one: _requester(one).user,
    "approvers": lambda one: " ".join(_requester(one).approvers),
    "change": lambda one: _requester(one).change,
    "pipeline": lambda one: _requester(one).pipeline,
    "commit": lambda one: one.run.provenance.git and one.run.provenance.git.commit,
    "plan_id": lambda one: one.run.plan_id,
    "digest": lambda one: one.run.digest,
    "endpoint": lambda one: one.run.endpoint,
    "tool_version": lambda one: one.run.tool_version,
}

COLUMNS = tuple(_CELLS)
_NOBODY = Requester("")


def deletions_as_csv(deletions: Iterable[RecordedDeletion]) -> Iterator[str]:
    """Times are UTC in milliseconds; what is not known is empty."""
    yield ",".join(COLUMNS) + "\r\n"
    for deletion in deletions:
        values = (value_of(deletion) for value_of in _CELLS.values())
        cells = ("" if value is None else as_csv_cell(str(value)) for value in values)
        yield ",".join(cells) + "\r\n"


def _requester(deletion: RecordedDeletion) -> Requester:
    return deletion.run.provenance.requester or _NOBODY
