"""How far interrupted runs of a plan came, and what of it remains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.applying.deletion import Target
from reconciler.journal.history import PlanHistory
from reconciler.journal.summary import OpenAttempt
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.outcome import InstanceResult, Outcome
from reconciler.model.plan import Plan
from reconciler.model.reply import ReplyKind

_Key = tuple[StoreAddress, InstanceAddress]


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """The outcomes of earlier runs of one plan, and the replies that its open attempts had."""

    outcomes: Mapping[_Key, Outcome]
    replies: Mapping[_Key, tuple[ReplyKind | None, ...]]

    @classmethod
    def of(
        cls,
        earlier: PlanHistory | None,
        attempts: Iterable[OpenAttempt],
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
        replies: dict[_Key, tuple[ReplyKind | None, ...]] = {
            key: (None,) for key, outcome in recorded.items() if not outcome.is_gone
        }
        for attempt in attempts:
            if attempt.run in runs:
                key = (attempt.store, attempt.instance)
                replies[key] = (*replies.get(key, ()), *attempt.replies)
        return cls(outcomes, replies)

    def gone(self, plan: Plan) -> Iterator[InstanceResult]:
        """The plan's deletions that are proven already."""
        for store in plan.stores:
            for instance in store.deletions():
                outcome = self.outcomes.get((store.store, instance))
                if outcome is not None and outcome.is_gone:
                    yield InstanceResult(store.store, instance, outcome)

    def remaining(self, plan: Plan, stores: tuple[StoreAddress, ...]) -> Iterator[Target]:
        """The plan's deletions that are not; ``stores`` are those of the run's first record."""
        for store in plan.stores:
            for instance, group in store.grouped_deletions():
                key = (store.store, instance)
                outcome = self.outcomes.get(key)
                if outcome is None or not outcome.is_gone:
                    index = stores.index(store.store)
                    yield Target(store.store, index, instance, group, self.replies.get(key, ()))
