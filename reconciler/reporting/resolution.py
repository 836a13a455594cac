"""What was resolved, as text and for machines; of the studies no more than UIDs and years."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from reconciler.model.selection.packed_uid import unpack
from reconciler.model.selection.resolution import ListState, Resolution, ResolvedList
from reconciler.model.selection.selector import Accessions, Patients, Studies
from reconciler.reporting.wording import plural

FORMAT_VERSION = "1.0"

_SHOWN = 20
"""So many studies that cannot be judged, and odd rows, are named in the text."""

_STATES = {
    ListState.SAME: "is the same",
    ListState.WRITTEN: "is written",
    ListState.DIFFERENT: "differs",
}

_NOUNS = {
    Patients.key: "patient",
    Accessions.key: "accession number",
    Studies.key: "study",
}


def resolved_as_text(lists: Sequence[ResolvedList]) -> Iterator[str]:
    """A paragraph for each selector."""
    for one in lists:
        yield from (f"{line}\n" for line in one.diff)
        yield from (f"{line}\n" for line in _lines(one))


def _lines(one: ResolvedList) -> Iterator[str]:
    found = one.resolution
    covered = [plural(found.studies, "study"), plural(found.series, "series")]
    if found.instances is not None:
        covered.append(plural(found.instances, "instance"))
    yield (
        f"{one.selector}, as of {found.as_of}: {', '.join(covered)} to {one.intent.value},"
        f" of {plural(found.searched, 'study')} in the store"
    )
    for name, counts in (("years", found.years), ("modalities", found.modalities or {})):
        if counts:
            yield f"  {name}: " + ", ".join(f"{key} {count:,}" for key, count in counts.items())
    for key, (total, not_found) in found.named.items():
        if not total:
            yield f"  names no {_NOUNS[key]}: the file lists none"
        if not_found:
            named = plural(total, _NOUNS[key])
            yield f"  not found in the store: {not_found:,} of {named} that the rule names"
    if found.not_judged:
        effect = "listed" if one.intent.value == "keep" else "not listed"
        count = plural(len(found.not_judged), "study")
        yield f"  cannot be judged by these conditions, and are {effect}: {count}"
        studies = (f"{unpack(uid)}: {', '.join(why)}" for uid, why in found.not_judged.items())
        yield from _first(studies, len(found.not_judged))
    if found.odd:
        yield f"  cannot be addressed, and are not listed: {plural(len(found.odd), 'row')}"
        yield from _first(map(str, found.odd), len(found.odd))
    yield f"  {one.path} {_STATES[one.state]}{_changes(one)}"


def _changes(one: ResolvedList) -> str:
    if one.state is ListState.SAME:
        return ""
    return f": {plural(one.added, 'row')} added, {one.removed:,} removed"


def _first(named: Iterator[str], count: int) -> Iterator[str]:
    for _, name in zip(range(_SHOWN), named, strict=False):
        yield f"    {name}"
    if count > _SHOWN:
        yield f"    {count - _SHOWN:,} more; --format json names all"


def resolved_as_json(lists: Sequence[ResolvedList]) -> Iterator[str]:
    """``schemas/resolution.schema.json``."""
    document = {"format_version": FORMAT_VERSION, "lists": list(map(_as_json, lists))}
    yield json.dumps(document, indent=2) + "\n"


def _as_json(one: ResolvedList) -> Mapping[str, object]:
    found: Resolution = one.resolution
    return {
        "selector": one.selector,
        "path": one.path,
        "list": one.list_path,
        "state": one.state.value,
        "intent": one.intent.value,
        "as_of": found.as_of.isoformat(),
        "studies": found.studies,
        "series": found.series,
        "instances": found.instances,
        "searched": found.searched,
        "years": found.years,
        "modalities": found.modalities,
        "named": {key: named._asdict() for key, named in found.named.items()},
        "not_judged": [
            {"studiesId": unpack(uid), "conditions": list(why)}
            for uid, why in found.not_judged.items()
        ],
        "unaddressed": list(map(str, found.odd)),
        "split_by_date": found.is_split,
        "rows_added": one.added,
        "rows_removed": one.removed,
        "diff": list(one.diff),
    }
