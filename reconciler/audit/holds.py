"""The holds that the files declare, and what the plans on record saw of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from reconciler.audit.plans import Plans, keep_key
from reconciler.audit.snapshot import Snapshot
from reconciler.journal.read_only import PlanMade
from reconciler.journal.reader import RunRecords
from reconciler.journal.state import State
from reconciler.model.address import StoreAddress
from reconciler.model.audit import LastSeen, Selection
from reconciler.model.desired import Claims
from reconciler.model.status import StandingHold


def standing_holds(
    keeps: Mapping[StoreAddress, Claims], state: State, today: date
) -> tuple[StandingHold, ...]:
    """Each hold once, in the order of the files, with the counts of the last plan of its store.

    Entries of one file that hold the same for the same reason are one, since a plan counts them so.

    Raises:
        JournalError: the record of a plan cannot be read.
    """
    seen = {
        keep_key(one.store, one.study_uid, one.series_uid, one.source.path, one.hold): one
        for one in _last_seen(state)
        if one.is_current
    }
    found: dict[tuple[object, ...], StandingHold] = {}
    for store, claims in keeps.items():
        for entry in sorted(claims.entries, key=lambda entry: entry.source):
            if entry.hold is not None:
                source = entry.source
                key = keep_key(store, entry.study_uid, entry.series_uid, source.path, entry.hold)
                last = seen.get(key)
                hold = StandingHold(
                    entry.hold,
                    source.path,
                    source.line,
                    None if last is None else last.instances,
                    None if last is None else last.overridden,
                    entry.hold.overdue_days(today),
                )
                found.setdefault((key, entry.hold), hold)
    return tuple(sorted(found.values(), key=lambda one: (one.path, one.line, str(one.hold))))


def _last_seen(state: State) -> Iterator[LastSeen]:
    """What the plans on record saw of each keep entry."""
    if not state.exists:
        return
    snapshot = Snapshot.take(state)
    plans = Plans(Selection())
    for file in snapshot.observations:
        records = iter(RunRecords(file))
        made = next(records, None)
        if isinstance(made, PlanMade):
            plans.add(made, records)
    yield from plans.kept()
