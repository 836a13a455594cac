"""What the head of a plan says beside its numbers: what is odd, and what is not known."""

from __future__ import annotations

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
    """What a plan says of the record, of reviews and of references, over all stores.

    ``studies_dated`` counts the studies of which a listing said the year. ``reappeared`` and
    ``restored`` count deletions of what was removed before. ``not_looked_at`` says that not all
    that may refer to what is deleted was looked at.
    """

    studies_dated: int
    reappeared: int
    restored: int
    may_refer: int
    not_looked_at: bool
    freed: tuple[FreedHold, ...]
    overdue_holds: tuple[OverdueHold, ...]

    @classmethod
    def of(cls, saved: SavedPlan) -> Notices:
        """Those of a plan."""
        restored = sum(one.restored for one in saved.reappeared)
        return cls(
            studies_dated=sum(one.year is not None for one in saved.seen),
            reappeared=len(saved.reappeared) - restored,
            restored=restored,
            may_refer=sum(len(store.may_refer) for store in saved.plan.stores),
            not_looked_at=any(store.not_looked_at.is_any for store in saved.plan.stores),
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
