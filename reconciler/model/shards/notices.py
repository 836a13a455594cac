"""What the head of a plan says beside its numbers: what is odd, and what is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from heapq import nsmallest

from reconciler.model.address import StoreAddress
from reconciler.model.desired import Hold
from reconciler.model.plan import (
    Finding,
    OverdueHold,
    OverriddenInstances,
    SavedPlan,
    StorePlan,
    Why,
)
from reconciler.model.problem import Source

_PLACES = 3
"""So many places are named of each; a head that names fewer can say that there are more."""


@dataclass(frozen=True, slots=True)
class Places:
    """The first few lines of the files that ask for what the head counts, sorted.

    ``without_hold`` are keep entries that give no hold, ``dangling`` keep what refers to what is
    deleted, and the others are those of findings.
    """

    without_hold: tuple[Source, ...] = ()
    dangling: tuple[Source, ...] = ()
    probe_failed: tuple[Source, ...] = ()
    misplaced: tuple[Source, ...] = ()
    missing: tuple[Source, ...] = ()
    never_seen: tuple[Source, ...] = ()

    @classmethod
    def of(cls, stores: Sequence[StorePlan]) -> Places:
        """Those of some plans."""
        found: dict[Why, list[Source]] = {why: [] for why in Why}
        for store in stores:
            for one in store.findings:
                found[one.why].append(one.source)
        kept = (one for store in stores for one in store.kept)
        dangling = (one.kept_by for store in stores for one in store.dangling)
        return cls(
            without_hold=_first(one.source for one in kept if one.hold is None and one.instances),
            dangling=_first(filter(None, dangling)),
            probe_failed=_first(one.source for one in _unknown(stores)),
            misplaced=_first(found[Why.MISPLACED]),
            missing=_first(found[Why.MISSING]),
            never_seen=_first(found[Why.NEVER_SEEN]),
        )

    def __add__(self, other: Places) -> Places:
        """The first of both."""
        names = [one.name for one in fields(self)]
        return Places(*(_first((*getattr(self, one), *getattr(other, one))) for one in names))


def _first(sources: Iterable[Source]) -> tuple[Source, ...]:
    return tuple(nsmallest(_PLACES, {Source(one.path, one.line) for one in sources}))


@dataclass(frozen=True, slots=True)
class FreedHold:
    """A hold that overrode removes before, which are deletions of the plan now.

    ``stands`` says that the files still hold something for the same reason; ``removes`` counts
    instances, in so many ``studies``.
    """

    store: StoreAddress
    hold: Hold
    stands: bool
    removes: int
    studies: int


@dataclass(frozen=True, slots=True)
class Notices:
    """What a plan says of files, of the record, of reviews and of references, over all stores.

    ``stores`` counts them, and ``losing`` are the ids of those that lose something; ``paths`` are
    the files that ask for it. ``studies_dated`` counts the studies of which a listing said the
    year. ``reappeared`` and ``restored`` count deletions of what was removed before. ``unknown``
    counts the instances, series and studies about which the store gave no clear answer, by that
    noun; a study with such an instance or series is not counted itself. ``unread``
    counts the instances whose references could not be read, by the reason; the three counts after
    it are those of `NotLookedAt`.
    """

    stores: int
    losing: tuple[str, ...]
    paths: tuple[str, ...]
    studies_dated: int
    reappeared: int
    restored: int
    unknown: Mapping[str, int]
    may_refer: int
    unread: Mapping[str, int]
    more_instances: int
    more_studies: int
    unreported: int
    freed: tuple[FreedHold, ...]
    overdue_holds: tuple[OverdueHold, ...]
    places: Places

    @classmethod
    def of(cls, saved: SavedPlan) -> Notices:
        """Those of a plan."""
        stores = saved.plan.stores
        restored = sum(one.restored for one in saved.reappeared)
        left = [store.not_looked_at for store in stores]
        groups = (
            group
            for store in stores
            for study in store.studies
            for series in study.series
            for group in series.groups
        )
        return cls(
            stores=len(stores),
            losing=tuple(store.store.dicom_store_id for store in stores if store.studies),
            paths=tuple(sorted({group.path for group in groups})),
            studies_dated=sum(one.year is not None for one in saved.seen),
            reappeared=len(saved.reappeared) - restored,
            restored=restored,
            unknown=Counter(map(_noun, _unknown(stores))),
            may_refer=sum(len(store.may_refer) for store in stores),
            unread=Counter(one.detail for part in left for one in part.instances),
            more_instances=sum(part.more_instances for part in left),
            more_studies=sum(part.more_studies for part in left),
            unreported=sum(part.unreported for part in left),
            freed=_freed(saved),
            overdue_holds=saved.overdue_holds,
            places=Places.of(stores),
        )


def _unknown(stores: Sequence[StorePlan]) -> Iterator[Finding]:
    """What the store gave no clear answer about, each once.

    Where a study could not be listed, what is asked for in it stands for it, if that is less.
    """
    for store in stores:
        found = {one.subject: one for one in store.findings if one.why is Why.PROBE_FAILED}
        with_less = {study for study, series, _ in found if series is not None}
        for (study, series, _), one in found.items():
            if series is not None or study not in with_less:
                yield one


def _noun(finding: Finding) -> str:
    if finding.instance_uid is not None:
        return "instance"
    return "study" if finding.series_uid is None else "series"


def _freed(saved: SavedPlan) -> tuple[FreedHold, ...]:
    found: dict[tuple[StoreAddress, Hold], list[OverriddenInstances]] = {}
    for one in saved.freed:
        found.setdefault((one.store, one.hold), []).append(one)
    standing = {
        (store.store, entry.hold.name)
        for store in saved.plan.stores
        for entry in store.kept
        if entry.hold is not None
    }
    return tuple(
        FreedHold(
            store,
            hold,
            (store, hold.name) in standing,
            sum(len(one.instances) for one in freed),
            len({one.study_uid for one in freed}),
        )
        for (store, hold), freed in sorted(found.items(), key=lambda item: item[0][0])
    )
