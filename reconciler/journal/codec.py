"""Records as JSON objects, both ways; ``schemas/journal-record.schema.json`` describes them.

Instances and stores stand under the API's parameter names. There are no floats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from sys import intern
from typing import assert_never

from reconciler.journal.records import (
    Intent,
    Record,
    Result,
    RunEnded,
    RunStarted,
    Settled,
    Verified,
)
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.reply import ReplyKind

Fields = Mapping[str, object]


def to_json(record: Record) -> dict[str, object]:
    """The record as a JSON object.

    Raises:
        ValueError: its time has no time zone.
    """
    match record:
        case Intent():
            return {
                "type": "intent",
                "time": _format_time(record.time),
                "store": record.store,
                **record.instance.as_parameters(),
                "attempt": record.attempt,
            }
        case Result():
            return {
                "type": "result",
                "time": _format_time(record.time),
                "store": record.store,
                **record.instance.as_parameters(),
                "attempt": record.attempt,
                "kind": record.kind.value,
                "status": record.status,
                "detail": record.detail,
                "requestId": record.request_id,
            }
        case Verified():
            return {
                "type": "verified",
                "time": _format_time(record.time),
                "store": record.store,
                **record.instance.as_parameters(),
                "presence": record.presence.value,
                "outcome": record.outcome.value,
                "detail": record.detail,
            }
        case Settled():
            return {
                "type": "settled",
                "time": _format_time(record.time),
                "run": record.run,
                **record.store.as_parameters(),
                **record.instance.as_parameters(),
                "presence": record.presence.value,
                "outcome": record.outcome.value,
                "detail": record.detail,
            }
        case RunStarted():
            return {
                "type": "run_started",
                "formatVersion": record.format_version,
                "time": _format_time(record.time),
                "run": record.run,
                "toolVersion": record.tool_version,
                "planId": record.plan_id,
                "digest": record.digest,
                "endpoint": record.endpoint,
                "stores": [store.as_parameters() for store in record.stores],
                "planned": record.planned,
                "resumes": list(record.resumes),
                "previousHead": record.previous_head,
            }
        case RunEnded():
            return {
                "type": "run_ended",
                "time": _format_time(record.time),
                "state": record.state.value,
                "counts": {outcome.value: record.counts.get(outcome, 0) for outcome in Outcome},
                "exitCode": record.exit_code,
                "stoppedBecause": record.stopped_because,
            }
        case _:
            assert_never(record)


def from_json(fields: Fields) -> Record:
    """Read what `to_json` gives; unknown keys are a later minor version's and are ignored.

    Raises:
        ValueError: it is not a record, or a value cannot be what its key says.
    """
    reader = _READERS.get(_text(fields, "type"))
    if reader is None:
        raise ValueError(f"there is no record of type {fields['type']!r}")
    return reader(fields)


def _run_started(fields: Fields) -> RunStarted:
    return RunStarted(
        run=_text(fields, "run"),
        time=_time(fields),
        tool_version=_text(fields, "toolVersion"),
        plan_id=_text(fields, "planId"),
        digest=_text(fields, "digest"),
        endpoint=_text(fields, "endpoint"),
        stores=tuple(_store(store) for store in _objects(fields, "stores")),
        planned=_number(fields, "planned"),
        resumes=_texts(fields, "resumes"),
        previous_head=_text_or_none(fields, "previousHead"),
        format_version=_text(fields, "formatVersion"),
    )


def _intent(fields: Fields) -> Intent:
    return Intent(
        _time(fields), _number(fields, "store"), _instance(fields), _number(fields, "attempt")
    )


def _result(fields: Fields) -> Result:
    return Result(
        time=_time(fields),
        store=_number(fields, "store"),
        instance=_instance(fields),
        attempt=_number(fields, "attempt"),
        kind=ReplyKind(fields.get("kind")),
        status=None if fields.get("status") is None else _number(fields, "status"),
        detail=_text(fields, "detail"),
        request_id=_text_or_none(fields, "requestId"),
    )


def _verified(fields: Fields) -> Verified:
    return Verified(
        time=_time(fields),
        store=_number(fields, "store"),
        instance=_instance(fields),
        presence=Presence(fields.get("presence")),
        outcome=Outcome(fields.get("outcome")),
        detail=_text(fields, "detail"),
    )


def _settled(fields: Fields) -> Settled:
    return Settled(
        time=_time(fields),
        run=_text(fields, "run"),
        store=_store(fields),
        instance=_instance(fields),
        presence=Presence(fields.get("presence")),
        outcome=Outcome(fields.get("outcome")),
        detail=_text(fields, "detail"),
    )


def _run_ended(fields: Fields) -> RunEnded:
    counts = fields.get("counts")
    if not isinstance(counts, dict):
        raise ValueError("'counts' is not an object")  # noqa: TRY004 - what was read is wrong
    return RunEnded(
        time=_time(fields),
        state=RunState(fields.get("state")),
        counts={outcome: _number(counts, outcome.value) for outcome in Outcome},
        exit_code=_number(fields, "exitCode"),
        stopped_because=_text_or_none(fields, "stoppedBecause"),
    )


_READERS: Mapping[str, Callable[[Fields], Record]] = {
    "run_started": _run_started,
    "intent": _intent,
    "result": _result,
    "verified": _verified,
    "settled": _settled,
    "run_ended": _run_ended,
}


def _text(fields: Fields, key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key!r} is not a string")  # noqa: TRY004 - what was read is wrong
    return value


def _text_or_none(fields: Fields, key: str) -> str | None:
    return None if fields.get(key) is None else _text(fields, key)


def _number(fields: Fields, key: str) -> int:
    value = fields.get(key)
    if type(value) is not int or value < 0:  # True is an int to isinstance
        raise ValueError(f"{key!r} is not a whole number from 0")
    return value


def _texts(fields: Fields, key: str) -> tuple[str, ...]:
    value = fields.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{key!r} is not an array of strings")
    return tuple(value)


def _objects(fields: Fields, key: str) -> tuple[Fields, ...]:
    value = fields.get(key)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{key!r} is not an array of objects")
    return tuple(value)


def _store(fields: Fields) -> StoreAddress:
    names = ("projectsId", "locationsId", "datasetsId", "dicomStoresId")
    return StoreAddress.from_parameters({name: _text(fields, name) for name in names})


def _instance(fields: Fields) -> InstanceAddress:
    return _address(
        _text(fields, "studiesId"), _text(fields, "seriesId"), _text(fields, "instancesId")
    )


@lru_cache(maxsize=4096)
def _address(study_uid: str, series_uid: str, instance_uid: str) -> InstanceAddress:
    """One object for the records of an instance, which stand close together.

    The UIDs that many instances share are interned: a history may hold 100,000s of them.
    """
    return InstanceAddress.from_parameters(
        InstanceAddress(intern(study_uid), intern(series_uid), instance_uid).as_parameters()
    )


def _format_time(time: datetime) -> str:
    if time.tzinfo is None:
        raise ValueError("a record's time needs a time zone")
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


_TIME_LENGTH = len("2026-01-31T23:59:59.999Z")


def _time(fields: Fields) -> datetime:
    text = _text(fields, "time")
    if len(text) != _TIME_LENGTH or text[-1] != "Z":
        raise ValueError(f"'time' is not a UTC time in milliseconds: {text!r}")
    return datetime.fromisoformat(text)
