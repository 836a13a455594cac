"""How far interrupted runs of a plan came, and what of it remains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from reconciler.applying.deletion import Target
from reconciler.journal.fold import Attempt
from reconciler.journal.history import PlanHistory
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Plan
from reconciler.model.reply import ReplyKind

PlannedKey = tuple[StoreAddress, InstanceAddress]


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """The outcomes of earlier runs of one plan, and the replies that its open attempts had.

    ``settled_gone`` are the instances that were just found gone after attempts of other plans.
    """

    outcomes: Mapping[PlannedKey, Outcome]
    replies: Mapping[PlannedKey, tuple[ReplyKind | None, ...]]
    settled_gone: Set[PlannedKey] = frozenset()

    @classmethod
    def of(
        cls,
        earlier: PlanHistory | None,
        attempts: Iterable[Attempt],
        settled: Mapping[tuple[str, StoreAddress, InstanceAddress], Outcome],
    ) -> PlanProgress:
        """Put together what is on record and what was just settled."""
        runs = set(earlier.runs) if earlier else set()
        outcomes = dict(earlier.outcomes) if earlier else {}
        outcomes |= {
            (store, instance): outcome
            for (run, store, instance), outcome in settled.items()
            if run in runs
        }
        # What was tried and is not proven to be gone may yet come to have had its effect.
        recorded = earlier.outcomes if earlier else {}
        replies: dict[PlannedKey, tuple[ReplyKind | None, ...]] = {
            key: (None,) for key, outcome in recorded.items() if not outcome.is_gone
        }
        for attempt in attempts:
            if attempt.run.name in runs:
                key = (attempt.store.address, attempt.instance)
                replies[key] = (*replies.get(key, ()), *attempt.replies)
        settled_gone = {
            (store, instance)
            for (run, store, instance), outcome in settled.items()
            if run not in runs and outcome.is_gone
        }
        return cls(outcomes, replies, settled_gone)

    @property
    def gone(self) -> frozenset[PlannedKey]:
        """What earlier runs of the plan have proven to be gone."""
        return frozenset(key for key, outcome in self.outcomes.items() if outcome.is_gone)

    def targets(self, plan: Plan, stores: tuple[StoreAddress, ...]) -> Iterator[Target]:
        """All deletions of the plan; ``stores`` are those of the run's first record."""
        for store in plan.stores:
            index = stores.index(store.store)
            for instance, group in store.grouped_deletions():
                key = (store.store, instance)
                yield Target(store.store, index, instance, group, self.replies.get(key, ()))
