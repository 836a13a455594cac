"""Every shard is checked before anything of the plan is deleted, and the record over all of them.

A plan in one file is refused as a whole. So is one in shards, for all that can be known beforehand:
what reappeared counts against the limit of the plan, however many shards it is spread over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from reconciler.api.listener import Listener
from reconciler.api.shards.lane import Lane, require_acceptable_shard
from reconciler.applying.progress import PlanProgress
from reconciler.applying.recall import last_words_of, recall
from reconciler.errors import PlanRefused
from reconciler.journal.history import History
from reconciler.model.address import StoreAddress
from reconciler.model.gate import Gate, GateName
from reconciler.model.plan import Reappeared, SavedPlan
from reconciler.model.shards.manifest import Shard
from reconciler.planning.acceptance import require_nothing_kept
from reconciler.planning.gates import require_passed_gates
from reconciler.planning.reappeared import LastWords, by_how, reappearance_gates
from reconciler.planning.shards.keeps import Keeps
from reconciler.planning.shards.totals import Recount


def require_shards(
    left: Sequence[Shard], keeps: Keeps, history: History, lane: Lane, listener: Listener
) -> None:
    """Check those shards of the plan that are not over, whoever is to apply them.

    One after the other is in memory. The store is only asked about what the record knows of.

    Raises:
        PlanFileError: a shard cannot be read.
        PlanRefused: one is not that of the manifest, has not its own studies, deletes what is
            kept, or is no longer acceptable; or they hold more than the manifest counts.
        GatesBlocking: a gate is blocking, by what the record says and the store shows now.
        UsageError: an archive lies in the state.
    """
    check = _Check(lane, keeps, history, Recount(lane.order.manifest))
    with listener.step("checking shards") as update:
        for number, shard in enumerate(left, 1):
            if lane.stop.is_requested:
                return
            check.take(shard)
            update(number, len(left))
    require_passed_gates(check.gates())


@dataclass(slots=True)
class _Check:
    """Counts what reappeared, as the shards list it and as it is now."""

    lane: Lane
    keeps: Keeps
    history: History
    recount: Recount
    latest: tuple[StoreAddress, str] | None = None
    listed: Counter[tuple[StoreAddress, GateName]] = field(default_factory=Counter)
    now: Counter[tuple[StoreAddress, GateName]] = field(default_factory=Counter)

    def take(self, shard: Shard) -> None:
        """Check one."""
        saved = self.lane.read(shard)
        self._require_own_studies(saved, shard)
        require_acceptable_shard(saved, self.lane.order)
        require_nothing_kept(saved, self.keeps.covering(saved.plan))
        recalled = recall(
            saved,
            PlanProgress.of(None, (), {}),
            self._words_of_others(saved),
            {one.store: self.lane.connection.store(one.store) for one in saved.plan.stores},
            parallelism=self.lane.order.service.parallelism,
        )
        self.recount.take(saved)
        self.listed.update(_by_gate(saved.reappeared))
        self.now.update(_by_gate(recalled.reappeared))

    def _require_own_studies(self, saved: SavedPlan, shard: Shard) -> None:
        """No two shards share a study, so that none need know what another one is doing."""
        studies = [(one.store, each.study_uid) for one in saved.plan.stores for each in one.studies]
        if self.latest and studies and min(studies) <= self.latest:
            raise PlanRefused(
                f"shard {shard.number} deletes from a study of a shard before it",
                hint="make the plan again",
            )
        self.latest = max(studies, default=self.latest)

    def gates(self) -> Iterator[Gate]:
        """The gates of the whole on what reappeared; shards that are over count as listed."""
        manifest = self.lane.order.manifest
        before = {(gate.store, gate.name): gate.actual for gate in manifest.gates}
        for store in manifest.plan.stores:
            by_itself, restored = (
                max(before[store.store, name] - self.listed[store.store, name], 0)
                + self.now[store.store, name]
                for name in (GateName.MAX_REAPPEARED, GateName.RESTORED)
            )
            yield from reappearance_gates(store.store, store.limits, by_itself, restored)

    def _words_of_others(self, saved: SavedPlan) -> LastWords:
        """What the record says of its instances, without what its own runs have done."""
        words = last_words_of(saved, self.history)
        earlier = self.history.of_plan(saved.plan_id)
        own = set(earlier.runs) if earlier else set()
        return {key: word for key, word in words.items() if word.run not in own}


def _by_gate(reappeared: Sequence[Reappeared]) -> Counter[tuple[StoreAddress, GateName]]:
    by_itself, restored = by_how(reappeared)
    found = Counter({(store, GateName.MAX_REAPPEARED): one for store, one in by_itself.items()})
    found.update({(store, GateName.RESTORED): one for store, one in restored.items()})
    return found
