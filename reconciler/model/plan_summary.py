"""What people decide a plan by: what is lost, for good or restorably, why, and what is odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from reconciler.model.desired import Hold, Reason
from reconciler.model.plan import DeletionGroup, Plan, SavedPlan, StudyPlan, StudySeen, Why


@dataclass(frozen=True, slots=True)
class ReasonTally:
    """How many instances go for one reason, and how many of them for good.

    ``years`` are those of their studies, as far as the listings said them.
    """

    reason: Reason
    instances: int
    for_good: int
    years: tuple[int, ...] = ()

    def __add__(self, other: ReasonTally) -> ReasonTally:
        """Both together; the reason is the first's."""
        return ReasonTally(
            self.reason,
            self.instances + other.instances,
            self.for_good + other.for_good,
            tuple(sorted({*self.years, *other.years})),
        )


@dataclass(frozen=True, slots=True)
class HoldTally:
    """How many instances a hold keeps that are there, and of how many it overrides the removal."""

    hold: Hold
    instances: int
    overridden: int


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """The numbers of a plan over all stores; every form of it begins with them.

    ``listed`` instances are deleted, ``restorable`` of them with a copy kept first under one of the
    ``archives``, ``damaged_too`` of these even if the copy is damaged, and ``for_good`` the others.
    ``lone_series_emptied`` leaves out the series of emptied studies, ``series_in_part`` has those
    of which something stays. The reasons are sorted by how much goes for them, the holds by their
    words. ``years`` and ``modalities``, with how many instances are deleted of each, are as far as
    the listings said them.
    """

    listed: int
    restorable: int
    for_good: int
    damaged_too: int
    kept: int
    overridden: int
    missing: int
    already_absent: int
    never_seen: int
    misplaced: int
    probe_failed: int
    dangling_kept: int
    dangling_unmanaged: int
    studies: int
    series: int
    studies_emptied: int
    series_emptied: int
    lone_series_emptied: int
    series_in_part: int
    archives: tuple[str, ...]
    reasons: tuple[ReasonTally, ...]
    holds: tuple[HoldTally, ...]
    years: tuple[int, ...]
    modalities: Mapping[str, int]

    @classmethod
    def of(cls, saved: SavedPlan) -> PlanSummary:
        """Count a plan with what the listings said."""
        return cls.of_plan(saved.plan, saved.seen)

    @classmethod
    def of_plan(cls, plan: Plan, seen: Sequence[StudySeen] = ()) -> PlanSummary:
        """Count."""
        studies = [study for store in plan.stores for study in store.studies]
        series = [member for study in studies for member in study.series]
        groups = [group for member in series for group in member.groups]
        listed = _instances(groups)
        restorable = _instances(group for group in groups if group.archive is not None)
        return cls(
            listed=listed,
            restorable=restorable,
            for_good=listed - restorable,
            damaged_too=_instances(group for group in groups if group.allow_damaged),
            kept=plan.count(Why.KEPT),
            overridden=sum(one.instances for store in plan.stores for one in store.overridden),
            missing=plan.count(Why.MISSING),
            already_absent=plan.count(Why.ALREADY_ABSENT),
            never_seen=plan.count(Why.NEVER_SEEN),
            misplaced=plan.count(Why.MISPLACED),
            probe_failed=plan.count(Why.PROBE_FAILED),
            dangling_kept=plan.count_dangling(kept=True),
            dangling_unmanaged=plan.count_dangling(kept=False),
            studies=len(studies),
            series=len(series),
            studies_emptied=sum(study.emptied for study in studies),
            series_emptied=sum(member.emptied for member in series),
            lone_series_emptied=sum(map(_lone_emptied, studies)),
            series_in_part=sum(not member.emptied for member in series),
            archives=plan.archives,
            reasons=_reasons(plan, seen),
            holds=_holds(plan),
            years=tuple(sorted({one.year for one in seen if one.year is not None})),
            modalities=_modalities(seen),
        )

    def __add__(self, other: PlanSummary) -> PlanSummary:
        """The summary of both, which have no study of a store in common."""
        numbers = {name: value + getattr(other, name) for name, value in self.counts.items()}
        return PlanSummary(
            **numbers,
            archives=tuple(sorted({*self.archives, *other.archives})),
            reasons=_joined_reasons((*self.reasons, *other.reasons)),
            holds=_joined_holds((*self.holds, *other.holds)),
            years=tuple(sorted({*self.years, *other.years})),
            modalities=Counter(self.modalities) + Counter(other.modalities),
        )

    @property
    def has_pending(self) -> bool:
        """Whether there is a deletion to do or a drift to look at."""
        return self.listed > 0 or self.missing > 0 or self.misplaced > 0

    @property
    def requests(self) -> int:
        """How many requests an apply sends for its deletions, about.

        A deletion is one and its proof another; a copy that is kept first is read once.
        """
        return 2 * self.listed + self.restorable

    @property
    def counts(self) -> Mapping[str, int]:
        """The numbers alone, by their names."""
        found = ((one.name, getattr(self, one.name)) for one in fields(self))
        return {name: value for name, value in found if isinstance(value, int)}


def _instances(groups: Iterable[DeletionGroup]) -> int:
    return sum(len(group.instances) for group in groups)


def _lone_emptied(study: StudyPlan) -> int:
    return 0 if study.emptied else sum(series.emptied for series in study.series)


def _reasons(plan: Plan, seen: Sequence[StudySeen]) -> tuple[ReasonTally, ...]:
    years = {(one.store, one.study_uid): (one.year,) for one in seen if one.year is not None}
    return _joined_reasons(
        ReasonTally(
            one.reason,
            len(one.instances),
            0 if one.archive else len(one.instances),
            years.get((store.store, study.study_uid), ()),
        )
        for store in plan.stores
        for study in store.studies
        for series in study.series
        for one in series.groups
    )


def _joined_reasons(tallies: Iterable[ReasonTally]) -> tuple[ReasonTally, ...]:
    joined: dict[Reason, ReasonTally] = {}
    for one in tallies:
        joined[one.reason] = joined[one.reason] + one if one.reason in joined else one
    return tuple(sorted(joined.values(), key=lambda one: (-one.instances, _words(one.reason))))


def _words(reason: Reason) -> tuple[str, ...]:
    return reason.code.value, reason.ticket or "", reason.text or ""


def _modalities(seen: Sequence[StudySeen]) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for one in seen:
        found.update(one.modalities)
    return found


def _holds(plan: Plan) -> tuple[HoldTally, ...]:
    kept = (one for store in plan.stores for one in store.kept)
    overridden = (one for store in plan.stores for one in store.overridden)
    return _joined_holds(
        [
            *(HoldTally(one.hold, one.instances, 0) for one in kept if one.hold is not None),
            *(HoldTally(one.hold, 0, one.instances) for one in overridden if one.hold is not None),
        ]
    )


def _joined_holds(tallies: Iterable[HoldTally]) -> tuple[HoldTally, ...]:
    kept: Counter[Hold] = Counter()
    overridden: Counter[Hold] = Counter()
    for one in tallies:
        kept[one.hold] += one.instances
        overridden[one.hold] += one.overridden
    return tuple(HoldTally(hold, kept[hold], overridden[hold]) for hold in sorted(kept, key=str))
