"""What a plan in shards comes to as a whole, counted while its shards are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace

from reconciler.errors import PlanRefused
from reconciler.model.address import StoreAddress
from reconciler.model.desired import DesiredStore, Hold, Limits
from reconciler.model.gate import Gate, GateCounts
from reconciler.model.plan import Finding, OverdueHold, SavedPlan, StorePlan
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.shards.manifest import Manifest
from reconciler.model.shards.notices import FreedHold, Notices, Places
from reconciler.planning.gates import count_for_gates, gates_on_counts, study_percent
from reconciler.planning.limits import Declared
from reconciler.planning.never_seen import gate_on_never_seen, typed_and_never_seen
from reconciler.planning.reappeared import by_how, reappearance_gates

_SUMMED = frozenset(
    one.name
    for one in fields(GateCounts)
    if one.name not in {"store", "limits", "files", "study_percent", "studies_over"}
)


_ADDED = (
    "studies_dated",
    "reappeared",
    "restored",
    "may_refer",
    "more_instances",
    "more_studies",
    "unreported",
)


@dataclass(slots=True)
class _StoreTotals:
    """One store; ``percents`` are those of studies that may be over the limit of the whole."""

    declared: Declared
    counts: Counter[str] = field(default_factory=Counter)
    largest: int = 0
    percents: dict[str, int] = field(default_factory=dict)
    never_seen: int = 0
    first_never_seen: Finding | None = None
    reappeared: int = 0
    restored: int = 0
    standing: set[tuple[str, str | None]] = field(default_factory=set)


class Totals:
    """Takes every shard in its order; ``bare`` are the stores with their limits."""

    def __init__(self, bare: Mapping[StoreAddress, DesiredStore]) -> None:
        self._bare = bare
        self._stores = {store: _StoreTotals(Declared(one)) for store, one in bare.items()}
        self._unrecorded: set[StoreAddress] = set()
        self._freed: dict[tuple[StoreAddress, Hold], FreedHold] = {}
        self._overdue: dict[tuple[StoreAddress, str, Hold], OverdueHold] = {}
        self._notices: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()
        self._places = Places()
        self._keys: set[str] = set()
        self._summary: PlanSummary | None = None

    def take(self, shard: SavedPlan) -> None:
        """Count a shard."""
        summary = PlanSummary.of(shard)
        self._summary = summary if self._summary is None else self._summary + summary
        self._keys |= shard.plan.keys
        self._unrecorded.update(shard.unrecorded)
        for store in shard.plan.stores:
            self._take_store(store, shard)
        by_itself, restored = by_how(shard.reappeared)
        for address in by_itself.keys() | restored.keys():
            self._stores[address].reappeared += by_itself[address]
            self._stores[address].restored += restored[address]
        self._take_notices(Notices.of(shard))

    def _take_store(self, plan: StorePlan, shard: SavedPlan) -> None:
        totals, whole = self._stores[plan.store], self._bare[plan.store]
        counts = count_for_gates(plan)
        totals.counts.update({name: getattr(counts, name) for name in _SUMMED})
        totals.declared.take(plan.studies)
        totals.largest = max(totals.largest, counts.study_percent)
        floor = min(whole.limits.max_study_percent, Limits().max_study_percent)
        for study in plan.studies:
            if (percent := study_percent(study)) > floor:
                totals.percents[study.study_uid] = percent
        typed = typed_and_never_seen(plan, shard.plan.inputs)
        totals.never_seen += len(typed)
        totals.first_never_seen = totals.first_never_seen or next(iter(typed), None)
        totals.standing |= {one.hold.name for one in plan.kept if one.hold is not None}

    def _take_notices(self, notices: Notices) -> None:
        for name in _ADDED:
            self._notices[name] += getattr(notices, name)
        self._unknown.update(notices.unknown)
        self._unread.update(notices.unread)
        self._places += notices.places
        for freed in notices.freed:
            held = self._freed.get((freed.store, freed.hold))
            self._freed[freed.store, freed.hold] = replace(
                freed,
                removes=freed.removes + (held.removes if held else 0),
                studies=freed.studies + (held.studies if held else 0),
            )
        for one in notices.overdue_holds:
            key = one.store, one.source.path, one.hold
            before = self._overdue.get(key)
            self._overdue[key] = replace(
                one,
                source=min(one.source, before.source) if before else one.source,
                instances=one.instances + (before.instances if before else 0),
                overridden=one.overridden + (before.overridden if before else 0),
            )

    def summary(self, nothing: SavedPlan) -> PlanSummary:
        """The summary of the whole; ``nothing`` is a plan without a store."""
        return PlanSummary.of(nothing) if self._summary is None else self._summary

    def notices(self) -> Notices:
        """What else the head of the whole says."""
        return Notices(
            stores=len(self._stores),
            losing=tuple(
                store.dicom_store_id for store, one in self._stores.items() if one.declared.paths
            ),
            paths=tuple(
                sorted({path for one in self._stores.values() for path in one.declared.paths})
            ),
            unknown=self._unknown,
            unread=self._unread,
            **{name: self._notices[name] for name in _ADDED},
            freed=tuple(
                replace(one, stands=one.hold.name in self._stores[one.store].standing)
                for one in sorted(self._freed.values(), key=lambda one: one.store)
            ),
            overdue_holds=tuple(
                sorted(self._overdue.values(), key=lambda one: (one.store, one.source))
            ),
            places=self._places,
        )

    def keys(self) -> tuple[str, ...]:
        """The checks of the keys by which something is bound."""
        return tuple(sorted(self._keys))

    def counts(self) -> tuple[GateCounts, ...]:
        """What the gates of the stable part count, store by store."""
        return tuple(self._counts_of(store) for store in self._stores)

    def _counts_of(self, store: StoreAddress) -> GateCounts:
        totals = self._stores[store]
        limits = totals.declared.limits()
        return GateCounts(
            store,
            limits,
            files=len(totals.declared.paths),
            study_percent=totals.largest,
            studies_over=tuple(
                uid
                for uid, percent in totals.percents.items()
                if percent > limits.max_study_percent
            ),
            **{name: totals.counts[name] for name in _SUMMED},
        )

    def gates(self) -> tuple[Gate, ...]:
        """All gates of the whole, as `gates.gates_of` gives those of a plan."""
        return tuple(gate for counts in self.counts() for gate in self._gates_of(counts))

    def _gates_of(self, counts: GateCounts) -> Iterator[Gate]:
        store, totals = counts.store, self._stores[counts.store]
        yield from gates_on_counts([counts])
        yield gate_on_never_seen(
            store,
            counts.limits,
            totals.never_seen,
            totals.first_never_seen,
            has_record=store not in self._unrecorded,
        )
        yield from reappearance_gates(store, counts.limits, totals.reappeared, totals.restored)


class Recount:
    """Counts shards again, as they are read, against what their manifest counts of all.

    The gates of the whole are judged by the manifest alone: one that counts less would open them.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._whole = {store.store: store for store in manifest.plan.stores}
        self._counts: dict[StoreAddress, Counter[str]] = {one: Counter() for one in self._whole}

    def take(self, shard: SavedPlan) -> None:
        """Count a shard.

        Raises:
            PlanRefused: there is more in the shards so far than the manifest counts.
        """
        for plan in shard.plan.stores:
            counts, whole = count_for_gates(plan), self._whole[plan.store]
            counted = self._counts[plan.store]
            counted.update({name: getattr(counts, name) for name in _SUMMED})
            if counts.study_percent > whole.study_percent or any(
                counted[name] > getattr(whole, name) for name in _SUMMED
            ):
                raise PlanRefused(
                    f"the shards up to {shard.plan_id} hold more than their manifest counts",
                    hint="make the plan again",
                )
