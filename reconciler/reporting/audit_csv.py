"""The removals of an audit report as CSV (RFC 4180), for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from reconciler.model.audit import Removal
from reconciler.reporting.wording import plain

COLUMNS = (
    "time",
    "run",
    "store",
    "studiesId",
    "seriesId",
    "instancesId",
    "outcome",
    "presence",
    "actor",
    "reason",
    "ticket",
    "text",
    "declared_at",
    "status",
    "request_id",
    "detail",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def removals_as_csv(removals: Iterable[Removal]) -> Iterator[str]:
    """A header and a row for each; no cell is a formula."""
    yield ",".join(COLUMNS) + "\r\n"
    for removal in removals:
        yield ",".join(map(cell, _cells(removal))) + "\r\n"


def cell(value: object) -> str:
    """A value as a cell; text that would be a formula gets an apostrophe before it."""
    text = plain("" if value is None else str(value))
    if text.startswith(_FORMULA):
        text = f"'{text}"
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if set(text) & set(',"') else text


def utc(moment: datetime) -> str:
    """A time as the record has it: UTC, in milliseconds."""
    written = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return written.removesuffix("+00:00") + "Z"


def _cells(removal: Removal) -> tuple[object, ...]:
    reason = removal.reason
    return (
        utc(removal.time),
        removal.run,
        removal.store,
        *removal.instance,
        removal.outcome.value,
        removal.presence.value,
        removal.actor,
        reason and reason.code.value,
        reason and reason.ticket,
        reason and reason.text,
        removal.source,
        removal.status,
        removal.request_id,
        removal.detail,
    )
