"""What keep entries and a plan have to do with each other: what is missing, what is deleted."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.address import StoreAddress
from reconciler.model.desired import Claims, Hold
from reconciler.model.plan import Plan, StorePlan, Why
from reconciler.model.problem import Source


def missing_by_entry(store: StorePlan) -> Counter[Source]:
    """How many kept instances are not there, by the line of the entry that names them.

    The line of an instance is at or below that of its entry. A series or study that is kept as a
    whole and is not there counts as one.
    """
    entries = sorted({entry.source for entry in store.kept}, key=_place)
    places = [_place(source) for source in entries]
    return Counter(
        entries[bisect_right(places, _place(finding.source)) - 1]
        for finding in store.findings
        if finding.why is Why.MISSING
    )


def overridden_by_entry(store: StorePlan) -> Counter[tuple[Source, str]]:
    """How many removes each keep entry overrides, by its line and its study."""
    overridden: Counter[tuple[Source, str]] = Counter()
    for one in store.overridden:
        overridden[one.keep, one.study_uid] += one.instances
    return overridden


def _place(source: Source) -> tuple[str, int]:
    return source.path, source.line


@dataclass(frozen=True, slots=True)
class KeptDeletions:
    """How many deletions of a plan a keep entry covers; ``hold`` is that of the entry."""

    source: Source
    deletions: int
    hold: Hold | None = None


def kept_deletions(plan: Plan, keeps: Mapping[StoreAddress, Claims]) -> tuple[KeptDeletions, ...]:
    """The keep entries that cover deletions of the plan, in the order of their places.

    A plan that was made from the same files has none. An instance that is kept by name is covered
    at whatever address: one SOP Instance UID names one object. The four parameters name a store
    alone, whatever the plan says of its provider.
    """
    by_parameters = {store.ids: claims for store, claims in keeps.items()}
    found = [
        kept
        for store in plan.stores
        if (claims := by_parameters.get(store.store.ids)) is not None
        for kept in _covered(store, claims)
    ]
    return tuple(sorted(found, key=lambda kept: kept.source))


def _covered(plan: StorePlan, claims: Claims) -> Iterator[KeptDeletions]:
    targets = _expanded(plan)
    uids: set[str] | None = None
    for entry in claims.entries:
        if entry.instances is None:
            count = targets[entry.study_uid, entry.series_uid]
        else:
            uids = uids or {instance.instance_uid for instance in plan.deletions()}
            count = len(uids.intersection(entry.instances.uids))
        if count:
            yield KeptDeletions(entry.source, count, entry.hold)


def _expanded(plan: StorePlan) -> Counter[tuple[str, str | None]]:
    """How many deletions lie in each study, and in each of its series."""
    counts: Counter[tuple[str, str | None]] = Counter()
    for study in plan.studies:
        counts[study.study_uid, None] += study.deletions
        for series in study.series:
            counts[study.study_uid, series.series_uid] += series.deletions
    return counts
