"""The records of archives and restores as JSON objects, both ways; see `codec`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

from reconciler.journal.fields import (
    Fields,
    format_time,
    instance_of,
    number,
    number_or_none,
    object_of,
    text,
    text_or_none,
    texts,
    time_of,
)
from reconciler.journal.records import (
    Archived,
    ArchiveRecord,
    Restored,
    RestoreEnded,
    RestoreIntent,
    RestoreReplied,
    RestoreStarted,
)
from reconciler.journal.removal_codec import reason_of, removal_to_json, source_of
from reconciler.journal.start_codec import start_of, start_to_json
from reconciler.model.outcome import RunState
from reconciler.model.reply import StoreReplyKind
from reconciler.model.restore import RestoreOutcome


def archive_record_to_json(record: ArchiveRecord) -> dict[str, object]:
    """The record as a JSON object; raises as `codec.to_json`."""
    match record:
        case RestoreStarted():
            return _restore_started_to_json(record)
        case RestoreEnded():
            return {
                "type": "restore_ended",
                "time": format_time(record.time),
                "state": record.state.value,
                "counts": {one.value: record.counts.get(one, 0) for one in RestoreOutcome},
                "exitCode": record.exit_code,
                "stoppedBecause": record.stopped_because,
            }
        case Archived():
            own = _archived_to_json(record)
        case RestoreIntent():
            own = {"type": "restore_intent", "action": "store", "attempt": record.attempt}
        case RestoreReplied():
            own = _replied_to_json(record)
        case Restored():
            own = _restored_to_json(record)
        case _:
            assert_never(record)
    return {
        "type": own.pop("type"),
        "time": format_time(record.time),
        "store": record.store,
        **record.instance.as_parameters(),
        **own,
    }


def _restore_started_to_json(record: RestoreStarted) -> dict[str, object]:
    return {
        **start_to_json("restore_started", record),
        "restores": list(record.restores),
        "only": list(record.only),
        "planned": record.planned,
        "resumes": list(record.resumes),
    }


def _archived_to_json(record: Archived) -> dict[str, object]:
    return {
        "type": "archived",
        "archive": record.archive,
        "path": record.path,
        "sha256": record.sha256,
        "bytes": record.size,
        "reportedBytes": record.reported_size,
        "damage": record.damage or None,
        **removal_to_json(record.source, record.reason),
    }


def _replied_to_json(record: RestoreReplied) -> dict[str, object]:
    return {
        "type": "restore_result",
        "attempt": record.attempt,
        "kind": record.kind.value,
        "status": record.status,
        "detail": record.detail,
        "requestId": record.request_id,
    }


def _restored_to_json(record: Restored) -> dict[str, object]:
    return {
        "type": "restored",
        "run": record.run,
        "outcome": record.outcome.value,
        **removal_to_json(record.source, record.reason),
        "detail": record.detail,
    }


def _restore_started(fields: Fields) -> RestoreStarted:
    restores = texts(fields, "restores")
    if not restores:
        raise ValueError("'restores' names no run")
    return RestoreStarted(
        **start_of(fields),
        restores=restores,
        planned=number(fields, "planned"),
        resumes=texts(fields, "resumes"),
        only=texts(fields, "only") if "only" in fields else (),
    )


def _archived(fields: Fields) -> Archived:
    return Archived(
        time=time_of(fields),
        store=number(fields, "store"),
        instance=instance_of(fields),
        archive=text(fields, "archive"),
        path=text(fields, "path"),
        sha256=text(fields, "sha256"),
        size=number(fields, "bytes"),
        source=source_of(fields),
        reason=reason_of(fields),
        reported_size=number_or_none(fields, "reportedBytes"),
        damage=text_or_none(fields, "damage") or "",
    )


def _restore_intent(fields: Fields) -> RestoreIntent:
    return RestoreIntent(
        time_of(fields), number(fields, "store"), instance_of(fields), number(fields, "attempt")
    )


def _restore_result(fields: Fields) -> RestoreReplied:
    return RestoreReplied(
        time=time_of(fields),
        store=number(fields, "store"),
        instance=instance_of(fields),
        attempt=number(fields, "attempt"),
        kind=StoreReplyKind(fields.get("kind")),
        status=number_or_none(fields, "status"),
        detail=text(fields, "detail"),
        request_id=text_or_none(fields, "requestId"),
    )


def _restored(fields: Fields) -> Restored:
    return Restored(
        time=time_of(fields),
        store=number(fields, "store"),
        instance=instance_of(fields),
        run=text(fields, "run"),
        outcome=RestoreOutcome(fields.get("outcome")),
        source=source_of(fields),
        reason=reason_of(fields),
        detail=text(fields, "detail"),
    )


def _restore_ended(fields: Fields) -> RestoreEnded:
    counts = object_of(fields, "counts")
    return RestoreEnded(
        time=time_of(fields),
        state=RunState(fields.get("state")),
        counts={outcome: number(counts, outcome.value) for outcome in RestoreOutcome},
        exit_code=number(fields, "exitCode"),
        stopped_because=text_or_none(fields, "stoppedBecause"),
    )


ARCHIVE_READERS: Mapping[str, Callable[[Fields], ArchiveRecord]] = {
    "archived": _archived,
    "restore_started": _restore_started,
    "restore_intent": _restore_intent,
    "restore_result": _restore_result,
    "restored": _restored,
    "restore_ended": _restore_ended,
}
"""Reads each type of record of this module."""
