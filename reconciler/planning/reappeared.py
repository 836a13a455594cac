"""Instances that are to be deleted although an earlier run removed them.

What happens next follows the reason. An instance whose retention expired, or that was rejected
for quality, is simply planned again; any other that reappeared must be looked at first, and so
must one that was restored on purpose. This rests on the local history, so it is a note and a
gate, and never part of the digest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import Limits, ReasonCode
from reconciler.model.gate import Gate, GateName
from reconciler.model.past import LastWord, PutBack, Removed
from reconciler.model.plan import Plan, Reappeared, StorePlan
from reconciler.model.problem import Source

PLANNED_AGAIN = frozenset(
    {ReasonCode.DATA_RETENTION_POLICY_EXPIRED, ReasonCode.REJECTED_FOR_QUALITY_REASONS}
)
"""The reasons for which reappearing changes nothing."""


LastWords = Mapping[tuple[StoreAddress, InstanceAddress], LastWord]
"""What the record says of an instance last, of those of which it has a removal."""


def find_reappeared(plan: Plan, last_words: LastWords) -> tuple[Reappeared, ...]:
    """Which of the plan's deletions are of instances that were removed before."""
    stores = plan.stores if last_words else ()
    return tuple(reappeared for store in stores for reappeared in _reappeared(store, last_words))


def _reappeared(plan: StorePlan, last_words: LastWords) -> Iterator[Reappeared]:
    for instance, group, line in plan.declared_deletions():
        match last_words.get((plan.store, instance)):
            case Removed(run=run):
                is_restored = False
            # By its reason the files still ask for it; its line, or its file, may have moved.
            case PutBack(run=run, reason=group.reason):
                is_restored = True
            case _:
                continue
        source = Source(group.path, line)
        yield Reappeared(plan.store, instance, run, group.reason.code, source, is_restored)


def gates_on_reappeared(plan: Plan, reappeared: Sequence[Reappeared]) -> Iterator[Gate]:
    """Two gates a store: what reappeared by itself, and what was restored."""
    by_itself, restored = by_how(reappeared)
    for store in plan.stores:
        yield from reappearance_gates(
            store.store, store.limits, by_itself[store.store], restored[store.store]
        )


def by_how(
    reappeared: Sequence[Reappeared],
) -> tuple[Counter[StoreAddress], Counter[StoreAddress]]:
    """How much reappeared by itself and must be looked at, and how much was restored."""
    return (
        Counter(
            one.store for one in reappeared if not one.restored and one.code not in PLANNED_AGAIN
        ),
        Counter(one.store for one in reappeared if one.restored),
    )


def reappearance_gates(
    store: StoreAddress, limits: Limits, by_itself: int, restored: int
) -> Iterator[Gate]:
    """The two gates of one store."""
    yield Gate.of(
        GateName.MAX_REAPPEARED,
        store,
        limits,
        by_itself,
        "find out first who stored again what had been removed; only if it must go again,"
        " {raise_limit}",
    )
    yield Gate.of(
        GateName.RESTORED,
        store,
        limits,
        restored,
        "take them out of the file; if they must go after all, record the new decision under"
        " another ticket",
    )
