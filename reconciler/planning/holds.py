"""The removes that holds override, and those that are set free where a hold is taken out.

What holds overrode before is on record; what of it is set free rests on that, so it is never part
of the digest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace

from reconciler.model.address import SeriesAddress, StoreAddress
from reconciler.model.desired import Claims, DesiredState, DesiredStore, Hold
from reconciler.model.live import LiveStore
from reconciler.model.plan import OverriddenInstances, Plan
from reconciler.planning.planner import series_in_question
from reconciler.planning.series import decide_series

_Target = tuple[str, str | None]
"""A study, or a series behind its study."""


def overridden_by_holds(
    desired: DesiredState,
    live: Mapping[StoreAddress, LiveStore],
    before: Iterable[OverriddenInstances] = (),
) -> tuple[OverriddenInstances, ...]:
    """What holds keep of all that the store has and the files ask to remove.

    With what they overrode ``before`` and a keep without a hold overrides now: once that is taken
    out, it is the hold that is missing.
    """
    of_store: dict[StoreAddress, list[OverriddenInstances]] = defaultdict(list)
    for one in before:
        of_store[one.store].append(one)
    return tuple(
        one
        for store in desired.stores
        for one in overridden_in(store, live[store.store], of_store[store.store])
    )


def overridden_in(
    desired: DesiredStore, live: LiveStore, before: Iterable[OverriddenInstances]
) -> Iterator[OverriddenInstances]:
    """As `overridden_by_holds`, of one store, or of a part of it."""
    earlier = defaultdict(list)
    for one in before:
        earlier[SeriesAddress(one.study_uid, one.series_uid)].append(one)
    holds = _Holds(desired.keeps)
    for series in series_in_question(desired, live):
        if series.study_uid not in holds.studies and series not in earlier:
            continue
        by_hold: dict[Hold, list[str]] = defaultdict(list)
        plain: set[str] = set()
        listed = holds.listed(series)
        for uid in decide_series(series, desired, live).overridden:
            covering = holds.over(series, uid, listed)
            for hold in covering:
                by_hold[hold].append(uid)
            if not covering:
                plain.add(uid)
        for one in earlier.get(series, ()):
            by_hold[one.hold] += [uid for uid in one.instances if uid in plain]
        for hold, uids in by_hold.items():
            if uids:
                yield OverriddenInstances(desired.store, *series, hold, tuple(uids))


class _Holds:
    """All holds of a store: where several cover an instance, all may be taken out at once."""

    def __init__(self, keeps: Claims) -> None:
        self._keeps = keeps
        self._whole: dict[_Target, dict[Hold, None]] = defaultdict(dict)
        held = [entry for entry in keeps.entries if entry.hold is not None]
        self.studies = {entry.study_uid for entry in held}
        for entry in held:
            if entry.is_whole and entry.hold is not None:
                self._whole[entry.study_uid, entry.series_uid][entry.hold] = None

    def listed(self, series: SeriesAddress) -> list[tuple[Hold, Set[str]]]:
        """The holds on instances of the series one by one."""
        return [
            (entry.hold, frozenset(entry.instances.uids))
            for entry in self._keeps.listing(series)
            if entry.hold is not None and entry.instances is not None
        ]

    def over(
        self, series: SeriesAddress, uid: str, listed: Iterable[tuple[Hold, Set[str]]]
    ) -> Iterable[Hold]:
        """The holds that cover an instance, each once."""
        wide = (self._whole.get(one, {}) for one in (series, (series.study_uid, None)))
        narrow = dict.fromkeys(hold for hold, uids in listed if uid in uids)
        return {**narrow, **next(wide), **next(wide)}


def freed_from(
    plan: Plan, before: Iterable[OverriddenInstances]
) -> tuple[OverriddenInstances, ...]:
    """What of that which holds overrode before is a deletion of the plan, sorted by series."""
    touched = {store.store: store.by_series() for store in plan.stores}
    found = []
    for one in sorted(before, key=lambda one: (one.store, one.study_uid, one.series_uid)):
        series = touched[one.store].get(SeriesAddress(one.study_uid, one.series_uid))
        uids = tuple(uid for uid in one.instances if series and series.deletes(uid))
        if uids:
            found.append(replace(one, instances=uids))
    return tuple(found)
