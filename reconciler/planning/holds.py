"""The removes that holds override, and those that are set free where a hold is taken out.

What holds overrode before is on record; what of it is set free rests on that, so it is never part
of the digest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.model.address import SeriesAddress, StoreAddress
from reconciler.model.desired import Claims, DesiredState, DesiredStore, Entry, Hold
from reconciler.model.live import LiveStore
from reconciler.model.plan import OverriddenInstances, Plan
from reconciler.planning.planner import series_in_question
from reconciler.planning.series import decide_series


def overridden_by_holds(
    desired: DesiredState, live: Mapping[StoreAddress, LiveStore]
) -> tuple[OverriddenInstances, ...]:
    """What holds keep of all that the store has and the files ask to remove."""
    return tuple(one for store in desired.stores for one in overridden_in(store, live[store.store]))


def overridden_in(desired: DesiredStore, live: LiveStore) -> Iterator[OverriddenInstances]:
    """What holds keep of one store, or of a part of it."""
    held = {entry.study_uid for entry in desired.keeps.entries if entry.hold is not None}
    for series in series_in_question(desired, live):
        if series.study_uid not in held:
            continue
        decisions = decide_series(series, desired, live)
        by_hold: dict[Hold, list[str]] = defaultdict(list)
        for uid in decisions.overridden:
            for hold in _holds_over(decisions.kept[uid].entry, desired.keeps):
                by_hold[hold].append(uid)
        for hold, uids in by_hold.items():
            yield OverriddenInstances(desired.store, *series, hold, tuple(uids))


def _holds_over(keep: Entry, keeps: Claims) -> Iterable[Hold]:
    """The holds of a keep, and of the wider ones behind it: all may be taken out at once."""
    covering = [keep]
    while wider := keeps.wider(covering[-1]):
        covering.append(wider)
    return dict.fromkeys(entry.hold for entry in covering if entry.hold is not None)


def freed_from(
    plan: Plan, before: Iterable[OverriddenInstances]
) -> tuple[OverriddenInstances, ...]:
    """What of that which holds overrode before is a deletion of the plan."""
    touched = {store.store: store.by_series() for store in plan.stores}
    found = []
    for one in before:
        series = touched[one.store].get(SeriesAddress(one.study_uid, one.series_uid))
        uids = tuple(uid for uid in one.instances if series and series.deletes(uid))
        if uids:
            found.append(replace(one, instances=uids))
    return tuple(found)
