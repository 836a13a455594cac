"""Records as JSON objects, both ways; ``schemas/journal-record.schema.json`` describes them.

Instances and stores stand under the API's parameter names. There are no floats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

from reconciler.journal.archive_codec import ARCHIVE_READERS, archive_record_to_json
from reconciler.journal.fields import (
    Fields,
    format_time,
    instance_of,
    number,
    number_or_none,
    object_of,
    objects,
    store_of,
    text,
    text_or_none,
    texts,
    time_of,
)
from reconciler.journal.reading_codec import READING_READERS, reading_record_to_json
from reconciler.journal.readings import ReadingRecord
from reconciler.journal.records import (
    ArchiveRecord,
    DeletionRecord,
    EmptiedStudy,
    Intent,
    Record,
    Result,
    RunEnded,
    RunStarted,
    Settled,
    Verified,
)
from reconciler.journal.removal_codec import reason_of, removal_to_json, source_of
from reconciler.journal.start_codec import start_of, start_to_json
from reconciler.model.desired import Reason
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.patient import PatientSeen
from reconciler.model.problem import Source
from reconciler.model.reply import ReplyKind


def to_json(record: Record) -> dict[str, object]:
    """The record as a JSON object.

    Raises:
        ValueError: its time has no time zone.
    """
    if isinstance(record, ArchiveRecord):
        return archive_record_to_json(record)
    if isinstance(record, ReadingRecord):
        return reading_record_to_json(record)
    return _deletion_record_to_json(record)


def _deletion_record_to_json(record: DeletionRecord) -> dict[str, object]:
    match record:
        case Intent():
            own: dict[str, object] = {
                "type": "intent",
                "store": record.store,
                **record.instance.as_parameters(),
                "action": "delete",
                "attempt": record.attempt,
                **_declared(record),
                **({"patient": record.patient.pseudonym} if record.patient else {}),
            }
        case Result():
            own = {
                "type": "result",
                "store": record.store,
                **record.instance.as_parameters(),
                "attempt": record.attempt,
                "kind": record.kind.value,
                "status": record.status,
                "detail": record.detail,
                "requestId": record.request_id,
            }
        case Verified():
            own = {
                "type": "verified",
                "store": record.store,
                **record.instance.as_parameters(),
                **_seen(record),
                **_declared(record),
            }
        case Settled():
            own = {
                "type": "settled",
                "run": record.run,
                **record.store.as_parameters(),
                **record.instance.as_parameters(),
                **_seen(record),
            }
        case RunStarted():
            own = {
                **start_to_json("run_started", record),
                "planId": record.plan_id,
                "digest": record.digest,
                "expires": format_time(record.expires) if record.expires else None,
                "planned": record.planned,
                "resumes": list(record.resumes),
                "emptiedStudies": [_emptied_to_json(study) for study in record.emptied],
            }
        case RunEnded():
            own = {
                "type": "run_ended",
                "state": record.state.value,
                "counts": {outcome.value: record.counts.get(outcome, 0) for outcome in Outcome},
                "exitCode": record.exit_code,
                "stoppedBecause": record.stopped_because,
                "takenOver": record.taken_over,
            }
        case _:
            assert_never(record)
    return {"type": own.pop("type"), "time": format_time(record.time), **own}


def _seen(record: Verified | Settled) -> dict[str, object]:
    return {
        "presence": record.presence.value,
        "outcome": record.outcome.value,
        "detail": record.detail,
    }


def _declared(record: Intent | Verified) -> dict[str, object]:
    if record.source is None or record.reason is None:
        return {}
    return removal_to_json(record.source, record.reason)


def _emptied_to_json(study: EmptiedStudy) -> dict[str, object]:
    return {"store": study.store, "studiesId": study.study_uid, "deletions": study.deletions}


def from_json(fields: Fields) -> Record:
    """Read what `to_json` gives; unknown keys are a later minor version's and are ignored.

    Raises:
        ValueError: it is not a record, or a value cannot be what its key says.
    """
    reader = _READERS.get(text(fields, "type"))
    if reader is None:
        raise ValueError(f"there is no record of type {fields['type']!r}")
    return reader(fields)


def _run_started(fields: Fields) -> RunStarted:
    return RunStarted(
        **start_of(fields),
        plan_id=text(fields, "planId"),
        digest=text(fields, "digest"),
        planned=number(fields, "planned"),
        resumes=texts(fields, "resumes"),
        emptied=_emptied(fields),
        expires=None if fields.get("expires") is None else time_of(fields, "expires"),
    )


def _intent(fields: Fields) -> Intent:
    return Intent(
        time_of(fields),
        number(fields, "store"),
        instance_of(fields),
        number(fields, "attempt"),
        *_declaration(fields),
        PatientSeen(text_or_none(fields, "patient")) if "patient" in fields else None,
    )


def _declaration(fields: Fields) -> tuple[Source | None, Reason | None]:
    if "declaredAt" not in fields:
        return None, None
    return source_of(fields), reason_of(fields)


def _emptied(fields: Fields) -> tuple[EmptiedStudy, ...]:
    return tuple(
        EmptiedStudy(number(study, "store"), text(study, "studiesId"), number(study, "deletions"))
        for study in (objects(fields, "emptiedStudies") if "emptiedStudies" in fields else ())
    )


def _result(fields: Fields) -> Result:
    return Result(
        time=time_of(fields),
        store=number(fields, "store"),
        instance=instance_of(fields),
        attempt=number(fields, "attempt"),
        kind=ReplyKind(fields.get("kind")),
        status=number_or_none(fields, "status"),
        detail=text(fields, "detail"),
        request_id=text_or_none(fields, "requestId"),
    )


def _verified(fields: Fields) -> Verified:
    source, reason = _declaration(fields)
    return Verified(
        time=time_of(fields),
        store=number(fields, "store"),
        instance=instance_of(fields),
        presence=Presence(fields.get("presence")),
        outcome=Outcome(fields.get("outcome")),
        detail=text(fields, "detail"),
        source=source,
        reason=reason,
    )


def _settled(fields: Fields) -> Settled:
    return Settled(
        time=time_of(fields),
        run=text(fields, "run"),
        store=store_of(fields),
        instance=instance_of(fields),
        presence=Presence(fields.get("presence")),
        outcome=Outcome(fields.get("outcome")),
        detail=text(fields, "detail"),
    )


def _run_ended(fields: Fields) -> RunEnded:
    counts = object_of(fields, "counts")
    return RunEnded(
        time=time_of(fields),
        state=RunState(fields.get("state")),
        counts={outcome: number(counts, outcome.value) for outcome in Outcome},
        exit_code=number(fields, "exitCode"),
        stopped_because=text_or_none(fields, "stoppedBecause"),
        taken_over=number(fields, "takenOver"),
    )


_READERS: Mapping[str, Callable[[Fields], Record]] = {
    "run_started": _run_started,
    "intent": _intent,
    "result": _result,
    "verified": _verified,
    "settled": _settled,
    "run_ended": _run_ended,
    **ARCHIVE_READERS,
    **READING_READERS,
}
