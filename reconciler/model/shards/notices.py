"""What the head of a plan says beside its numbers: what is odd, and what is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.address import StoreAddress
from reconciler.model.desired import Hold
from reconciler.model.plan import OverdueHold, OverriddenInstances, SavedPlan


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
    year. ``reappeared`` and ``restored`` count deletions of what was removed before. ``unread``
    counts the instances whose references could not be read, by the reason; the three counts after
    it are those of `NotLookedAt`.
    """

    stores: int
    losing: tuple[str, ...]
    paths: tuple[str, ...]
    studies_dated: int
    reappeared: int
    restored: int
    may_refer: int
    unread: Mapping[str, int]
    more_instances: int
    more_studies: int
    unreported: int
    freed: tuple[FreedHold, ...]
    overdue_holds: tuple[OverdueHold, ...]

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
            may_refer=sum(len(store.may_refer) for store in stores),
            unread=Counter(one.detail for part in left for one in part.instances),
            more_instances=sum(part.more_instances for part in left),
            more_studies=sum(part.more_studies for part in left),
            unreported=sum(part.unreported for part in left),
            freed=_freed(saved),
            overdue_holds=saved.overdue_holds,
        )


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
