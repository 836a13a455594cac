"""How far interrupted runs of a plan came, and what of it remains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from reconciler.applying.deletion import Target
from reconciler.journal.fold import Attempt
from reconciler.journal.history import PlanHistory, PlannedKey
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Plan
from reconciler.model.reply import ReplyKind


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """The outcomes of earlier runs of one plan, and their attempts that proved nothing.

    ``settled`` are those whose outcome was found out just now. ``others`` are the attempts of other
    plans that were just found to have removed their instance, by the places of their runs.
    """

    outcomes: Mapping[PlannedKey, Outcome] = field(default_factory=dict)
    attempts: Mapping[PlannedKey, Sequence[Attempt]] = field(default_factory=dict)
    others: Mapping[PlannedKey, int] = field(default_factory=dict)
    settled: Set[PlannedKey] = frozenset()

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
        tried = {key: list(some) for key, some in earlier.failed.items()} if earlier else {}
        others: dict[PlannedKey, int] = {}
        now: set[PlannedKey] = set()
        for attempt in attempts:
            key = (attempt.store.address, attempt.instance)
            outcome = settled.get((attempt.run.name, *key))
            if attempt.run.name in runs:
                # What was tried and is not proven to be gone may yet have its effect.
                tried.setdefault(key, []).append(attempt)
                if outcome is not None:
                    outcomes[key] = outcome
                    now.add(key)
            elif outcome is not None and outcome.is_gone:
                others[key] = max(attempt.run.place, others.get(key, -1))
        return cls(outcomes, tried, others, now)

    def tried_at(self, key: PlannedKey) -> int:
        """The place of the latest run of the plan that tried it in vain; -1 for none."""
        return max((one.run.place for one in self.attempts.get(key, ())), default=-1)

    def replies(self, key: PlannedKey) -> tuple[ReplyKind | None, ...]:
        """The replies to those attempts, in their order."""
        return tuple(reply for one in self.attempts.get(key, ()) for reply in one.replies)

    @property
    def gone(self) -> frozenset[PlannedKey]:
        """What earlier runs of the plan have proven to be gone."""
        return frozenset(key for key, outcome in self.outcomes.items() if outcome.is_gone)

    def targets(self, plan: Plan, stores: tuple[StoreAddress, ...]) -> Iterator[Target]:
        """All deletions of the plan; ``stores`` are those of the run's first record."""
        for store in plan.stores:
            index = stores.index(store.store)
            for instance, group, _ in store.declared_deletions():
                key = (store.store, instance)
                yield Target(store.store, index, instance, group, self.replies(key))
