"""A plan as JSON text, in pieces.

The pieces of the stable part, joined, are its canonical form: keys sorted, no white space, so
that the digest can be taken while a long plan is being written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.model.desired import InputFile, Limits, Reason
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
    unaddressed = f'"unaddressed":{study.unaddressed},' if study.unaddressed else ""
    yield f'],"studiesId":{canonical(study.study_uid)},{unaddressed}"unmanaged":{study.unmanaged}}}'


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
        "deletions": [_encode_group(group) for group in series.groups],
    }


def _encode_group(group: DeletionGroup) -> Json:
    return {
        "path": group.path,
        "reason": encode_reason(group.reason),
        "by_whole": group.by_whole,
        "archive": group.archive,
        **({"allow_damaged": True} if group.allow_damaged else {}),
        "instances": dict(group.instances.items()),
    }


def _encode_finding(finding: Finding) -> Json:
    # What the local history says is no part of the stable part.
    why = Why.ALREADY_ABSENT if finding.why is Why.NEVER_SEEN else finding.why
    return {
        "why": why.value,
        "studiesId": finding.study_uid,
        "seriesId": finding.series_uid,
        "instancesId": finding.instance_uid,
        "source": encode_source(finding.source),
        "detail": finding.detail,
        "elsewhere": [address.as_parameters() for address in finding.elsewhere],
    }


def _encode_kept(entry: KeptEntry) -> Json:
    return {
        "source": encode_source(entry.source),
        "studiesId": entry.study_uid,
        "seriesId": entry.series_uid,
        "instances": entry.instances,
        "hold": entry.hold,
    }


def _encode_spared(entry: SparedEntry) -> Json:
    return {
        "removal": encode_source(entry.removal),
        "keep": encode_source(entry.keep),
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
        "maxNeverSeen": limits.max_never_seen,
        "maxReappeared": limits.max_reappeared,
    }


def _encode_input(file: InputFile) -> Json:
    return {"path": file.path, "sha256": file.sha256, "role": file.role.value}


def encode_source(source: Source) -> Json:
    """The place of a declaration."""
    return {"path": source.path, "line": source.line}
