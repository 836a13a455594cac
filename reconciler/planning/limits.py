"""How much a plan may do to a store, by the limits of the files that ask for it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
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
_UNWRITTEN = -2
"""In the place of a file: those that do not write the limit, together."""


def limits_of(desired: DesiredStore, studies: Iterable[StudyPlan]) -> Limits:
    """The limits of a plan of these deletions; see `Declared`."""
    declared = Declared(desired)
    declared.take(studies)
    return declared.limits()


def paths_of(studies: Iterable[StudyPlan]) -> Set[str]:
    """The files, and inventories, that declare a deletion."""
    return {group.path for study in studies for series in study.series for group in series.groups}


class Declared:
    """What each file of a store declares of the deletions of a plan, and what limits that.

    Only files count that declare one of them, and those that remove nothing, which limit all of
    it: a list that was applied long ago does not hold up another one. The limits that count
    deletions, or what is emptied, hold each file to what it declares itself, and never by what
    another file that removes something may do; what several empty together counts for each. Files
    that do not write such a limit are one in this: all together they have its default. Of all
    others the smallest counts.
    """

    def __init__(self, desired: DesiredStore) -> None:
        self.paths: set[str] = set()
        """The files, and inventories, that declare a deletion."""
        self._desired = desired
        self._counts: dict[str, Counter[int]] = {name: Counter() for name in _COUNTED}
        self._declaring = {name: _declaring(LIMIT_KEYS[name], desired) for name in _COUNTED}

    def take(self, studies: Iterable[StudyPlan]) -> None:
        """Count the deletions of some studies."""
        for study in studies:
            of_study: set[str] = set()
            for series in study.series:
                for group in series.groups:
                    self._count(_DELETIONS, {group.path}, len(group.instances))
                of_series = {group.path for group in series.groups}
                of_study |= of_series
                self._count(_SERIES, of_series, series.emptied)
            self._count(_STUDIES, of_study, study.emptied)
            self.paths |= of_study

    def _count(self, name: str, paths: Set[str], more: int) -> None:
        declaring = self._declaring[name]
        for number in {_ALL}.union(*(declaring.get(path, ()) for path in paths)):
            self._counts[name][number] += more

    def limits(self) -> Limits:
        """The limits of a plan of all that was counted."""
        limiting = {
            number: one
            for number, one in enumerate(self._desired.written)
            if not one.paths or not self.paths.isdisjoint(one.paths)
        }
        if not any(one.paths for one in limiting.values()):
            return self._desired.limits
        smallest = replace(
            smallest_limits(one.limits for one in limiting.values()),
            **{name: getattr(self._desired.limits, name) for name in _ON_ABSENCE},
        )
        unwritten = smallest_limits(one.limits for one in limiting.values() if not one.paths)
        together = {name: self._together(name, unwritten, limiting) for name in _COUNTED}
        return replace(smallest, **together)

    def _together(self, name: str, unwritten: Limits, limiting: Mapping[int, WrittenLimits]) -> int:
        """One limit that the plan passes exactly where each file passes its own.

        It is what the plan does, and what is left to the file that is nearest to its limit; less
        by what it exceeds it. ``unwritten`` are the limits of a file that writes none.
        """
        key, counts = LIMIT_KEYS[name], self._counts[name]
        held = [
            (number if one.paths else _ALL, one.limits[key])
            for number, one in limiting.items()
            if key in one.limits
        ]
        if any(one.paths and key not in one.limits for one in limiting.values()):
            held.append((_UNWRITTEN, getattr(unwritten, name)))
        return counts[_ALL] + min(limit - counts[number] for number, limit in held)


def _declaring(key: str, desired: DesiredStore) -> Mapping[str, Set[int]]:
    """The files that each path is of, by their places in `DesiredStore.written`."""
    found: dict[str, set[int]] = defaultdict(set)
    for number, one in enumerate(desired.written):
        for path in one.paths:
            found[path].add(number if key in one.limits else _UNWRITTEN)
    return found
