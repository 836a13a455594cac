"""The records of plans and queries as JSON objects, both ways; see `codec`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

from reconciler.journal.fields import (
    Fields,
    flag,
    format_time,
    instance_of,
    number,
    number_or_none,
    object_of,
    objects,
    text,
    text_or_none,
    time_of,
)
from reconciler.journal.readings import (
    GateSeen,
    KeptSeen,
    NothingDone,
    PlanEnded,
    PlanMade,
    QueryEnded,
    QueryStarted,
    ReadingRecord,
    Retrieved,
    ReturnedSeen,
)
from reconciler.journal.removal_codec import source_of
from reconciler.journal.start_codec import start_of, start_to_json
from reconciler.model.desired import ReasonCode
from reconciler.model.gate import GateName
from reconciler.model.plan import Why


def reading_record_to_json(record: ReadingRecord) -> dict[str, object]:
    """The record as a JSON object; raises as `codec.to_json`."""
    match record:
        case PlanMade():
            own: dict[str, object] = {
                **start_to_json("plan_made", record),
                "planId": record.plan_id,
                "digest": record.digest,
            }
        case QueryStarted():
            own = start_to_json("query_started", record)
        case NothingDone():
            own = {
                **start_to_json("nothing_done", record),
                "command": record.command,
                "planId": record.plan_id,
                "digest": record.digest,
                "exitCode": record.exit_code,
                "detail": record.detail,
            }
        case KeptSeen():
            own = _kept_to_json(record)
        case ReturnedSeen():
            own = {
                "type": "returned_seen",
                "store": record.store,
                **record.instance.as_parameters(),
                "run": record.run,
                "code": record.code.value,
                "restored": record.restored,
            }
        case PlanEnded():
            own = {
                "type": "plan_ended",
                "counts": {why.value: record.counts.get(why, 0) for why in Why},
                "gates": [_gate_to_json(gate) for gate in record.gates],
            }
        case Retrieved():
            own = {
                "type": "retrieved",
                "store": record.store,
                **record.instance.as_parameters(),
                "action": "retrieve",
                "problem": record.problem,
            }
        case QueryEnded():
            own = {
                "type": "query_ended",
                "retrieved": record.retrieved,
                "problems": record.problems,
            }
        case _:
            assert_never(record)
    return {"type": own.pop("type"), "time": format_time(record.time), **own}


def _kept_to_json(record: KeptSeen) -> dict[str, object]:
    return {
        "type": "kept_seen",
        "store": record.store,
        "studiesId": record.study_uid,
        "seriesId": record.series_uid,
        "instances": record.instances,
        "missing": record.missing,
        "hold": record.hold,
        "declaredAt": {"path": record.source.path, "line": record.source.line},
    }


def _gate_to_json(gate: GateSeen) -> dict[str, object]:
    return {
        "name": gate.name.value,
        "store": gate.store,
        "actual": gate.actual,
        "allowed": gate.allowed,
        "studiesId": gate.study_uid,
    }


def _plan_made(fields: Fields) -> PlanMade:
    return PlanMade(
        **start_of(fields), plan_id=text(fields, "planId"), digest=text(fields, "digest")
    )


def _query_started(fields: Fields) -> QueryStarted:
    return QueryStarted(**start_of(fields))


def _nothing_done(fields: Fields) -> NothingDone:
    return NothingDone(
        **start_of(fields),
        command=text(fields, "command"),
        plan_id=text_or_none(fields, "planId"),
        digest=text_or_none(fields, "digest"),
        exit_code=number(fields, "exitCode"),
        detail=text(fields, "detail"),
    )


def _kept_seen(fields: Fields) -> KeptSeen:
    return KeptSeen(
        time=time_of(fields),
        store=number(fields, "store"),
        study_uid=text(fields, "studiesId"),
        series_uid=text_or_none(fields, "seriesId"),
        instances=number(fields, "instances"),
        source=source_of(fields),
        hold=text_or_none(fields, "hold"),
        missing=number_or_none(fields, "missing") or 0,
    )


def _returned_seen(fields: Fields) -> ReturnedSeen:
    return ReturnedSeen(
        time_of(fields),
        number(fields, "store"),
        instance_of(fields),
        text(fields, "run"),
        ReasonCode(fields.get("code")),
        flag(fields, "restored"),
    )


def _plan_ended(fields: Fields) -> PlanEnded:
    counts = object_of(fields, "counts")
    return PlanEnded(
        time_of(fields),
        {why: number(counts, why.value) for why in Why},
        tuple(_gate(gate) for gate in objects(fields, "gates")),
    )


def _gate(fields: Fields) -> GateSeen:
    return GateSeen(
        GateName(fields.get("name")),
        number(fields, "store"),
        number(fields, "actual"),
        number(fields, "allowed"),
        text_or_none(fields, "studiesId"),
    )


def _retrieved(fields: Fields) -> Retrieved:
    return Retrieved(
        time_of(fields), number(fields, "store"), instance_of(fields), text(fields, "problem")
    )


def _query_ended(fields: Fields) -> QueryEnded:
    return QueryEnded(time_of(fields), number(fields, "retrieved"), number(fields, "problems"))


READING_READERS: Mapping[str, Callable[[Fields], ReadingRecord]] = {
    "plan_made": _plan_made,
    "kept_seen": _kept_seen,
    "returned_seen": _returned_seen,
    "plan_ended": _plan_ended,
    "query_started": _query_started,
    "retrieved": _retrieved,
    "query_ended": _query_ended,
    "nothing_done": _nothing_done,
}
"""Reads each type of record of this module."""
