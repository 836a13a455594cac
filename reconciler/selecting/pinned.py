"""The two files that a resolution becomes: the list, and the desired-state file that pins it."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping

from reconciler.desired.format.canonical import canonical
from reconciler.desired.inventory.reader import SEEN
from reconciler.desired.selection import resolved_paths
from reconciler.model.desired import EntryKind
from reconciler.model.selection.resolution import Resolution
from reconciler.model.selection.selector import ListLevel, Selector

HEADER = "# Written by reconciler resolve. Change the selector, and resolve it again.\n"
"""How each pinning file begins."""

_COLUMNS = {ListLevel.STUDY: "studiesId", ListLevel.SERIES: "studiesId,seriesId"}
LIST_HEADERS = frozenset(
    f"{columns}{seen}\n" for columns in _COLUMNS.values() for seen in ("", f",{SEEN}")
)
"""How each list begins."""


def list_lines(selector: Selector, resolution: Resolution) -> Iterator[str]:
    """The list as an inventory of studies or series, line by line."""
    yield f"{_COLUMNS[selector.level]}{f',{SEEN}' if selector.bind else ''}\n"
    for row in resolution.rows():
        yield f"{row}\n"


def pinning_file(selector: Selector, resolution: Resolution) -> str:
    """The desired-state file that pins the list, in canonical form."""
    path, list_path = resolved_paths(selector.path)
    digest = hashlib.sha256()
    for line in list_lines(selector, resolution):
        digest.update(line.encode())
    inventory = {
        "path": posixpath.basename(list_path),
        "sha256": digest.hexdigest(),
        "count": len(resolution.listed),
    }
    entry: dict[str, object] = {"inventory": inventory}
    if selector.bind:
        entry["bind"] = {"to": [one.value for one in selector.bind], "key": resolution.key}
    content = {
        "version": 1,
        "store": selector.store,
        "resolvedFrom": _origin(selector, resolution, posixpath.dirname(path)),
        "limits": _limits(selector, resolution),
        selector.intent.value: [{**entry, **selector.terms}],
    }
    lines = (
        f"{key}: {json.dumps(value, ensure_ascii=False)}\n"
        for key, value in content.items()
        if value
    )
    return canonical(HEADER + "".join(lines), path)


def _origin(selector: Selector, resolution: Resolution, folder: str) -> Mapping[str, object]:
    said: Mapping[str, object] = {
        "years": resolution.years or None,
        "instances": resolution.instances,
        "notJudged": len(resolution.not_judged) or None,
        "notFound": {key: one.not_found for key, one in resolution.named.items() if one.not_found}
        or None,
        "modalities": resolution.modalities,
    }
    return {
        "selector": posixpath.relpath(selector.path, folder),
        "digest": selector.digest,
        "asOf": resolution.as_of.isoformat(),
        "studies": resolution.studies,
        "series": resolution.series,
        **{key: value for key, value in said.items() if value is not None},
    }


def _limits(selector: Selector, resolution: Resolution) -> Mapping[str, int]:
    """What a plan needs that removes all that is listed; what is kept needs none."""
    if selector.intent is EntryKind.KEEP or not resolution.listed:
        return {}
    limits = {
        "maxStudiesEmptied": resolution.emptied,
        "maxSeriesEmptied": resolution.series,
    }
    if resolution.instances is not None:
        limits["maxDeletions"] = resolution.instances
    return limits
