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
    deletions, or what is emptied, hold each file to what it declares itself, and what several
    empty together counts for each; of all others the smallest counts.
    """

    def __init__(self, desired: DesiredStore) -> None:
        self.paths: set[str] = set()
        """The files, and inventories, that declare a deletion."""
        self._desired = desired
        self._counts: dict[str, Counter[int]] = {name: Counter() for name in _COUNTED}
        self._declaring: dict[str, set[int]] = defaultdict(lambda: {_ALL})
        for number, one in enumerate(desired.written):
            for path in one.paths:
                self._declaring[path].add(number)

    def take(self, studies: Iterable[StudyPlan]) -> None:
        """Count the deletions of some studies."""
        counts = self._counts
        for study in studies:
            of_study: set[int] = set()
            for series in study.series:
                of_series: set[int] = set()
                for group in series.groups:
                    self.paths.add(group.path)
                    of_series |= self._declaring[group.path]
                    for number in self._declaring[group.path]:
                        counts[_DELETIONS][number] += len(group.instances)
                counts[_SERIES].update(of_series if series.emptied else ())
                of_study |= of_series
            counts[_STUDIES].update(of_study if study.emptied else ())

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
        together = {name: self._together(name, smallest, limiting) for name in _COUNTED}
        return replace(smallest, **together)

    def _together(self, name: str, smallest: Limits, limiting: Mapping[int, WrittenLimits]) -> int:
        """One limit that the plan passes exactly where each file passes its own.

        It is what the plan does, and what is left to the file that is nearest to its limit; less
        by what it exceeds it.
        """
        key, counts = LIMIT_KEYS[name], self._counts[name]
        left: list[int] = [
            one.limits.get(key, getattr(smallest, name)) - counts[number if one.paths else _ALL]
            for number, one in limiting.items()
            if one.paths or key in one.limits
        ]
        return counts[_ALL] + min(left)
