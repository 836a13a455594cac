"""A plan from its JSON text, as a stream: what is held at a time is one series.

Keys that a later minor version added are ignored. What is read raises KeyError, TypeError,
OverflowError or ValueError where it is not a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from reconciler.json_stream import JsonStream
from reconciler.model.address import InstanceAddress, StoreAddress, is_uid
from reconciler.model.desired import InputFile, InputRole, Limits, Reason, ReasonCode, is_ticket
from reconciler.model.plan import (
    DeclaredInstances,
    DeletionGroup,
    Finding,
    KeptEntry,
    Plan,
    SeriesPlan,
    SparedEntry,
    StorePlan,
    StudyPlan,
    Why,
)
from reconciler.model.problem import Source

Json = Mapping[str, Any]
T = TypeVar("T")


def decode_plan(stream: JsonStream) -> Plan:
    """Read the stable part."""
    plan = _members(stream, {"stores": lambda: _items(stream, _decode_store)})
    return Plan(
        tuple(decode_text(path) for path in plan["paths"]),
        tuple(_decode_input(file) for file in plan["inputs"]),
        plan["stores"],
    )


def _members(stream: JsonStream, readers: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """An object, of which some values have a reader of their own."""
    read: dict[str, Any] = {}
    for key in stream.members():
        read[key] = readers[key]() if key in readers else stream.value()
    return read


def _items(stream: JsonStream, read: Callable[[JsonStream], T]) -> tuple[T, ...]:
    return tuple(read(stream) for _ in stream.items())


def _decode_input(file: Json) -> InputFile:
    return InputFile(
        decode_text(file["path"]), decode_text(file["sha256"]), InputRole(file["role"])
    )


def _decode_store(stream: JsonStream) -> StorePlan:
    store = _members(
        stream,
        {
            "findings": lambda: _items(stream, _decode_finding),
            "kept": lambda: _items(stream, _decode_kept),
            "spared": lambda: _items(stream, _decode_spared),
            "studies": lambda: _items(stream, _decode_study),
        },
    )
    return StorePlan(
        StoreAddress.from_parameters(store["store"]),
        decode_limits(store["limits"]),
        store["studies"],
        store["findings"],
        store["kept"],
        store["spared"],
    )


def _decode_kept(stream: JsonStream) -> KeptEntry:
    entry = stream.value()
    return KeptEntry(
        decode_source(entry["source"]),
        _uid(entry["studiesId"]),
        _optional_uid(entry["seriesId"]),
        _count(entry["instances"]),
        _optional_text(entry["hold"]),
    )


def _decode_spared(stream: JsonStream) -> SparedEntry:
    entry = stream.value()
    return SparedEntry(
        decode_source(entry["removal"]),
        decode_source(entry["keep"]),
        _uid(entry["studiesId"]),
        _optional_uid(entry["seriesId"]),
        _count(entry["instances"]),
        _optional_text(entry["hold"]),
    )


def _decode_study(stream: JsonStream) -> StudyPlan:
    value = _members(stream, {"series": lambda: _items(stream, _decode_series)})
    study = StudyPlan(
        _uid(value["studiesId"]),
        _count(value["instances"]),
        _count(value["unmanaged"]),
        decode_flag(value["emptied"]),
        value["series"],
        _count(value.get("unaddressed", 0)),
    )
    if study.deletions > study.instances:
        raise ValueError(f"more deletions than instances in study {study.study_uid}")
    return study


def _decode_series(stream: JsonStream) -> SeriesPlan:
    value = stream.value()
    return SeriesPlan(
        _uid(value["seriesId"]),
        _count(value["instances"]),
        decode_flag(value["emptied"]),
        tuple(_decode_group(group) for group in value["deletions"]),
    )


def _decode_group(value: Json) -> DeletionGroup:
    instances = DeclaredInstances(
        (_uid(uid), _count(line)) for uid, line in value["instances"].items()
    )
    if not instances:
        raise ValueError("a group of deletions without an instance")
    return DeletionGroup(
        decode_text(value["path"]),
        decode_reason(value["reason"]),
        decode_flag(value["by_whole"]),
        instances,
        _decode_archive(value["archive"]),
        decode_flag(value.get("allow_damaged", False)),
    )


def _decode_archive(value: object) -> str | None:
    if value is None:
        return None
    path = decode_text(value)
    if not path.startswith("/"):
        raise ValueError(f"not an absolute path: {path!r}")
    return path


_FOUND = frozenset({Why.MISSING, Why.ALREADY_ABSENT, Why.MISPLACED, Why.PROBE_FAILED})
"""What may stand in the stable part; the local history decides what was never seen."""


def _decode_finding(stream: JsonStream) -> Finding:
    value = stream.value()
    why = Why(value["why"])
    if why not in _FOUND:
        raise ValueError(f"not a finding: {why.value}")
    return Finding(
        why,
        _uid(value["studiesId"]),
        _optional_uid(value["seriesId"]),
        _optional_uid(value["instancesId"]),
        decode_source(value["source"]),
        decode_text(value["detail"]),
        tuple(InstanceAddress.from_parameters(address) for address in value["elsewhere"]),
    )


def decode_reason(value: Json) -> Reason:
    """Read what `encode_reason` gives."""
    ticket = _optional_text(value["ticket"])
    if ticket is not None and not is_ticket(ticket):
        raise ValueError(f"not a ticket: {ticket!r}")
    return Reason(ReasonCode(value["code"]), _optional_text(value["text"]), ticket)


def decode_limits(value: Json) -> Limits:
    """Read what `encode_limits` gives."""
    return Limits(
        _count(value["maxDeletions"]),
        _count(value["maxStudiesEmptied"]),
        _count(value["maxSeriesEmptied"]),
        _count(value["maxStudyPercent"]),
        _count(value["maxKeptMissing"]),
        _count(value["maxNeverSeen"]),
        _count(value["maxReappeared"]),
    )


def decode_source(value: Json) -> Source:
    """Read the place of a declaration."""
    return Source(decode_text(value["path"]), _count(value["line"]))


def decode_text(value: object) -> str:
    """A text that can be written again: JSON can also spell half of a surrogate pair."""
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r}")
    value.encode()
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else decode_text(value)


def _uid(value: object) -> str:
    if not isinstance(value, str) or not is_uid(value):
        raise ValueError(f"not a UID: {value!r}")
    return value


def _optional_uid(value: object) -> str | None:
    return None if value is None else _uid(value)


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"not a count: {value!r}")
    return value


def decode_flag(value: object) -> bool:
    """True or false, and nothing that merely counts as one of them."""
    if not isinstance(value, bool):
        raise TypeError(f"neither true nor false: {value!r}")
    return value
