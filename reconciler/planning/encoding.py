"""A plan as JSON text, in pieces, and back.

The pieces of the stable part, joined, are its canonical form: keys sorted, no white space, so
that the digest can be taken while a long plan is being written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.model.address import InstanceAddress, StoreAddress, is_uid
from reconciler.model.desired import InputFile, InputRole, Limits, Reason, ReasonCode
from reconciler.model.plan import (
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


def canonical(value: object) -> str:
    """JSON with sorted keys and no white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def encode_plan(plan: Plan) -> Iterator[str]:
    """The canonical form of the stable part; a series at most in a piece."""
    yield f'{{"inputs":{canonical([_encode_input(file) for file in plan.inputs])}'
    yield f',"paths":{canonical(list(plan.paths))},"stores":['
    yield from _separated(_encode_store(store) for store in plan.stores)
    yield "]}"


def _encode_store(plan: StorePlan) -> Iterator[str]:
    yield f'{{"findings":{canonical([_encode_finding(finding) for finding in plan.findings])}'
    yield f',"kept":{canonical([_encode_kept(entry) for entry in plan.kept])}'
    yield f',"limits":{canonical(encode_limits(plan.limits))}'
    yield f',"spared":{canonical([_encode_spared(entry) for entry in plan.spared])}'
    yield f',"store":{canonical(plan.store.as_parameters())},"studies":['
    yield from _separated(_encode_study(study) for study in plan.studies)
    yield "]}"


def _encode_study(study: StudyPlan) -> Iterator[str]:
    yield f'{{"emptied":{canonical(study.emptied)},"instances":{study.instances},"series":['
    yield from _separated(iter([canonical(_encode_series(series))]) for series in study.series)
    yield f'],"studiesId":{canonical(study.study_uid)},"unmanaged":{study.unmanaged}}}'


def _separated(members: Iterable[Iterator[str]]) -> Iterator[str]:
    for index, member in enumerate(members):
        if index:
            yield ","
        yield from member


def _encode_series(series: SeriesPlan) -> Json:
    return {
        "seriesId": series.series_uid,
        "instances": series.instances,
        "emptied": series.emptied,
        "deletions": [
            {
                "path": group.path,
                "reason": encode_reason(group.reason),
                "by_whole": group.by_whole,
                "archive": group.archive,
                "instances": group.instances,
            }
            for group in series.groups
        ],
    }


def _encode_finding(finding: Finding) -> Json:
    return {
        "why": finding.why.value,
        "studiesId": finding.study_uid,
        "seriesId": finding.series_uid,
        "instancesId": finding.instance_uid,
        "source": _encode_source(finding.source),
        "detail": finding.detail,
        "elsewhere": [address.as_parameters() for address in finding.elsewhere],
    }


def _encode_kept(entry: KeptEntry) -> Json:
    return {
        "source": _encode_source(entry.source),
        "studiesId": entry.study_uid,
        "seriesId": entry.series_uid,
        "instances": entry.instances,
        "hold": entry.hold,
    }


def _encode_spared(entry: SparedEntry) -> Json:
    return {
        "removal": _encode_source(entry.removal),
        "keep": _encode_source(entry.keep),
        "studiesId": entry.study_uid,
        "seriesId": entry.series_uid,
        "instances": entry.instances,
        "hold": entry.hold,
    }


def encode_reason(reason: Reason) -> Json:
    """A reason under the names of the desired-state file."""
    return {"code": reason.code.value, "text": reason.text, "ticket": reason.ticket}


def encode_limits(limits: Limits) -> Json:
    """Limits under the names of the desired-state file."""
    return {
        "maxDeletions": limits.max_deletions,
        "maxStudiesEmptied": limits.max_studies_emptied,
        "maxSeriesEmptied": limits.max_series_emptied,
        "maxStudyPercent": limits.max_study_percent,
        "maxKeptMissing": limits.max_kept_missing,
        "maxReappeared": limits.max_reappeared,
    }


def _encode_input(file: InputFile) -> Json:
    return {"path": file.path, "sha256": file.sha256, "role": file.role.value}


def _encode_source(source: Source) -> Json:
    return {"path": source.path, "line": source.line}


def decode_plan(value: Json) -> Plan:
    """Read the stable part; keys that a later minor version added are ignored.

    Raises:
        KeyError, TypeError, ValueError: it is not a plan.
    """
    return Plan(
        tuple(decode_text(path) for path in value["paths"]),
        tuple(
            InputFile(
                decode_text(file["path"]), decode_text(file["sha256"]), InputRole(file["role"])
            )
            for file in value["inputs"]
        ),
        tuple(_decode_store(store) for store in value["stores"]),
    )


def _decode_store(value: Json) -> StorePlan:
    return StorePlan(
        StoreAddress.from_parameters(value["store"]),
        decode_limits(value["limits"]),
        tuple(_decode_study(study) for study in value["studies"]),
        tuple(_decode_finding(finding) for finding in value["findings"]),
        tuple(
            KeptEntry(
                decode_source(entry["source"]),
                _uid(entry["studiesId"]),
                _optional_uid(entry["seriesId"]),
                _count(entry["instances"]),
                _optional_text(entry["hold"]),
            )
            for entry in value["kept"]
        ),
        tuple(
            SparedEntry(
                decode_source(entry["removal"]),
                decode_source(entry["keep"]),
                _uid(entry["studiesId"]),
                _optional_uid(entry["seriesId"]),
                _count(entry["instances"]),
                _optional_text(entry["hold"]),
            )
            for entry in value["spared"]
        ),
    )


def _decode_study(value: Json) -> StudyPlan:
    study = StudyPlan(
        _uid(value["studiesId"]),
        _count(value["instances"]),
        _count(value["unmanaged"]),
        decode_flag(value["emptied"]),
        tuple(_decode_series(series) for series in value["series"]),
    )
    if study.deletions > study.instances:
        raise ValueError(f"more deletions than instances in study {study.study_uid}")
    return study


def _decode_series(value: Json) -> SeriesPlan:
    return SeriesPlan(
        _uid(value["seriesId"]),
        _count(value["instances"]),
        decode_flag(value["emptied"]),
        tuple(_decode_group(group) for group in value["deletions"]),
    )


def _decode_group(value: Json) -> DeletionGroup:
    instances = {_uid(uid): _count(line) for uid, line in value["instances"].items()}
    if not instances:
        raise ValueError("a group of deletions without an instance")
    return DeletionGroup(
        decode_text(value["path"]),
        decode_reason(value["reason"]),
        decode_flag(value["by_whole"]),
        instances,
        _decode_archive(value["archive"]),
    )


def _decode_archive(value: object) -> str | None:
    if value is None:
        return None
    path = decode_text(value)
    if not path.startswith("/"):
        raise ValueError(f"not an absolute path: {path!r}")
    return path


def _decode_finding(value: Json) -> Finding:
    return Finding(
        Why(value["why"]),
        _uid(value["studiesId"]),
        _optional_uid(value["seriesId"]),
        _optional_uid(value["instancesId"]),
        decode_source(value["source"]),
        decode_text(value["detail"]),
        tuple(InstanceAddress.from_parameters(address) for address in value["elsewhere"]),
    )


def decode_reason(value: Json) -> Reason:
    """The inverse of `encode_reason`."""
    return Reason(
        ReasonCode(value["code"]), _optional_text(value["text"]), _optional_text(value["ticket"])
    )


def decode_limits(value: Json) -> Limits:
    """The inverse of `encode_limits`."""
    return Limits(
        _count(value["maxDeletions"]),
        _count(value["maxStudiesEmptied"]),
        _count(value["maxSeriesEmptied"]),
        _count(value["maxStudyPercent"]),
        _count(value["maxKeptMissing"]),
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
