"""What the last plan of the same PATHs has on record, found without reading all before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.journal.log import RunLog
from reconciler.journal.read_only import FirstReadOnly, OverriddenSeen, PlanEnded, PlanMade
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import Record
from reconciler.journal.state import OBSERVATIONS, State
from reconciler.model.desired import InputFile, InputRole
from reconciler.model.plan import OverriddenInstances, Plan, Why
from reconciler.model.service import store_at

MOST_LOOKED_AT = 10
"""So many runs before this one are looked at: in a bucket each costs three requests."""


def overridden_before(state: State, plan: Plan, endpoint: str) -> tuple[OverriddenInstances, ...]:
    """What holds overrode in the last plan of the same PATHs, and what that plan had set free.

    A plan that did not come to its end, or that the store left without a clear answer, does not
    count. Empty where there is none among the last runs.

    Raises:
        JournalError: a record on the way to it cannot be read.
    """
    stores = {store_at(endpoint, one.store): one.store for one in plan.stores}
    for made, run in _newest_first(state):
        if not isinstance(made, PlanMade) or not _asks_the_same(made, plan):
            continue
        named = [stores.get(store_at(made.endpoint, store)) for store in made.stores]
        if not any(named):
            continue
        records = list(run)
        if _is_complete(records[-1]):
            return tuple(
                OverriddenInstances(store, one.study_uid, one.series_uid, one.hold, one.instances)
                for one in records
                if isinstance(one, OverriddenSeen) and (store := named[one.store]) is not None
            )
    return ()


def _asks_the_same(made: PlanMade, plan: Plan) -> bool:
    """Whether the removes come from the same PATHs, or the same DELETE statement."""
    statement = _statement(plan.inputs)
    return made.paths == plan.paths and _statement(made.provenance.inputs) == statement


def _statement(inputs: Iterable[InputFile]) -> list[InputFile]:
    return [one for one in inputs if one.role is InputRole.QUERY]


def _is_complete(last: Record) -> bool:
    return isinstance(last, PlanEnded) and not last.counts.get(Why.PROBE_FAILED)


def _newest_first(state: State) -> Iterator[tuple[FirstReadOnly, RunRecords]]:
    """The latest runs that changed no store and are in the log, from the last one back."""
    log = RunLog(state.objects, OBSERVATIONS)
    latest = log.latest()
    number = latest.entry.number if latest else 0
    for back in range(min(number, MOST_LOOKED_AT)):
        logged = log.at(number - back)
        file = state.run_file(OBSERVATIONS, logged.entry.run) if logged else None
        if file is None:
            continue
        records = RunRecords(file)
        first = next(iter(records), None)
        if isinstance(first, FirstReadOnly):
            yield first, records
