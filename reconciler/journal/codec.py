"""Records as JSON objects, both ways, by their classes.

``schemas/journal-record.schema.json`` and ``docs/reference/journal.md`` are made from the same.
The records that every deletion leaves have lines by format strings as well, in a third of the time;
a test holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache

from reconciler.journal.records import RECORDS, Intent, Record, Result, Verified
from reconciler.json_codec import Tagged, codec_of
from reconciler.model.desired import Reason
from reconciler.model.problem import Source
from reconciler.model.reply import Change
from reconciler.model.time import format_time

_CODEC = Tagged("type", RECORDS)
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def to_json(record: Record) -> dict[str, object]:
    """The record as a JSON object.

    Raises:
        ValueError: its time has no time zone.
    """
    return _CODEC.write(record)


def from_json(members: Mapping[str, object]) -> Record:
    """Read what `to_json` gives; unknown keys are a later minor version's and are ignored.

    Raises:
        ValueError: it is not a record, or a value cannot be what its key says.
    """
    return _CODEC.read(members)


def to_text(record: Record) -> str:
    """What `to_json` gives, as JSON in ASCII without spaces; raises as it does."""
    return _hot_text(record) or _encode(to_json(record))


def _hot_text(record: Record) -> str | None:
    """The text of a record that every deletion leaves; None for one with a seldom member."""
    match record:
        case Intent(
            source=Source(path, line, 1),
            reason=Reason() as reason,
            patient=None,
            action=Change.DELETE,
        ) if path.isascii():
            return (
                f'{_head("intent", record)},"attempt":{record.attempt},'
                f'"source":{{"path":{_encode(path)},"line":{line}}},"reason":{_reason(reason)}}}'
            )
        case Result(detail="", status=int(), request_id=str(request_id)) if request_id.isascii():
            return (
                f'{_head("result", record)},"attempt":{record.attempt},'
                f'"kind":"{record.kind.value}","status":{record.status},'
                f'"request_id":{_encode(request_id)}}}'
            )
        case Verified(detail="", source=None):
            return (
                f'{_head("verified", record)},"presence":"{record.presence.value}",'
                f'"outcome":"{record.outcome.value}"}}'
            )
    return None


def _head(name: str, record: Intent | Result | Verified) -> str:
    study, series, instance = record.instance
    return (
        f'{{"type":"{name}","time":"{format_time(record.time)}","store":{record.store},'
        f'"studiesId":{_encode(study)},"seriesId":{_encode(series)},'
        f'"instancesId":{_encode(instance)}'
    )


@lru_cache
def _reason(reason: Reason) -> str:
    return _encode(codec_of(Reason, is_compact=True).write(reason))
