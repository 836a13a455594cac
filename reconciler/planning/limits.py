"""How much a plan may do to a store, by the limits of the files that ask for it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace

from reconciler.model.desired import (
    LIMIT_KEYS,
    DesiredStore,
    Limits,
    WrittenLimits,
    smallest_limits,
)
from reconciler.model.plan import StudyPlan

_ON_ABSENCE = ("max_kept_missing", "max_never_seen")
"""The limits that are not on what is deleted."""

_DELETIONS, _STUDIES, _SERIES = _COUNTED = (
    "max_deletions",
    "max_studies_emptied",
    "max_series_emptied",
)
"""The limits that hold each file to what it declares itself."""

_ALL = -1
"""In the place of a file: all of them."""


def limits_of(desired: DesiredStore, studies: Sequence[StudyPlan]) -> Limits:
    """The limits of a plan of these deletions.

    Only files count that declare one of them, and those that remove nothing, which limit all of
    it: a list that was applied long ago does not hold up another one. The limits that count
    deletions, or what is emptied, hold each file to what it declares itself, and never by what
    another file that removes something may do; of all others the smallest counts.
    """
    declared = paths_of(studies)
    declaring = [one for one in desired.written if not declared.isdisjoint(one.paths)]
    if not declaring:
        return desired.limits
    limiting = [*declaring, *(one for one in desired.written if not one.paths)]
    smallest = replace(
        smallest_limits(one.limits for one in limiting),
        **{name: getattr(desired.limits, name) for name in _ON_ABSENCE},
    )
    unwritten = smallest_limits(one.limits for one in limiting if not one.paths)
    counts = _counts(studies, limiting)
    together = {
        name: _together(LIMIT_KEYS[name], getattr(unwritten, name), counts[name], limiting)
        for name in _COUNTED
    }
    return replace(smallest, **together)


def paths_of(studies: Iterable[StudyPlan]) -> Set[str]:
    """The files, and inventories, that declare a deletion."""
    return {group.path for study in studies for series in study.series for group in series.groups}


def _together(
    key: str, unwritten: int, counts: Mapping[int, int], files: Sequence[WrittenLimits]
) -> int:
    """One limit that the plan passes exactly where each file passes its own.

    It is what the plan does, and what is left to the file that is nearest to its limit; less by
    what it exceeds it. ``unwritten`` is the limit of a file that writes none.
    """
    left = [
        one.limits.get(key, unwritten) - counts[number if one.paths else _ALL]
        for number, one in enumerate(files)
        if one.paths or key in one.limits
    ]
    return counts[_ALL] + min(left)


def _counts(
    studies: Iterable[StudyPlan], files: Sequence[WrittenLimits]
) -> Mapping[str, Counter[int]]:
    """What each file declares, by its number; what several empty together counts for each."""
    declaring: dict[str, set[int]] = defaultdict(lambda: {_ALL})
    for number, one in enumerate(files):
        for path in one.paths:
            declaring[path].add(number)
    counts: dict[str, Counter[int]] = {name: Counter() for name in _COUNTED}
    for study in studies:
        of_study: set[int] = set()
        for series in study.series:
            of_series: set[int] = set()
            for group in series.groups:
                of_series |= declaring[group.path]
                for number in declaring[group.path]:
                    counts[_DELETIONS][number] += len(group.instances)
            counts[_SERIES].update(of_series if series.emptied else ())
            of_study |= of_series
        counts[_STUDIES].update(of_study if study.emptied else ())
    return counts
