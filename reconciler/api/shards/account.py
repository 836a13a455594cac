"""What came of all shards together: by the runs of this command, and by the record before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from reconciler.applying.apply import Applied
from reconciler.applying.stopping import Stop
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.journal.fold import Read
from reconciler.journal.history import History, PlannedKey
from reconciler.journal.records import RunEnded
from reconciler.model.outcome import InstanceResult, Operation, Outcome, RunReport, RunState
from reconciler.model.plan import PartOf
from reconciler.model.shards.manifest import Manifest, Shard, plan_id_of
from reconciler.model.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Standing:
    """How a shard stands on record: its runs in their order, and the latest end that one has.

    ``met_operation`` says that a DELETE of one of them was answered with an operation.
    """

    runs: tuple[str, ...]
    ended: RunEnded | None
    met_operation: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it is never applied again."""
        return self.ended is not None and self.ended.state.is_final


_UNTOUCHED = Standing((), None)


def standing(history: History, manifest: Manifest) -> Mapping[int, Standing]:
    """How those shards stand that were begun, by their numbers."""
    plan_ids = {_plan_id(manifest, shard): shard.number for shard in manifest.plan.shards}
    found: dict[int, list[Read]] = {}
    for read in history.runs:
        number = plan_ids.get(read.run.plan_id or "")
        if number is not None:
            found.setdefault(number, []).append(read)
    return {number: _standing(reads) for number, reads in found.items()}


def _standing(reads: Sequence[Read]) -> Standing:
    ended = next((one.ended for one in reversed(reads) if one.ended is not None), None)
    met_operation = any(one.met_operation for one in reads)
    return Standing(tuple(one.run.name for one in reads), ended, met_operation)


@dataclass(slots=True)
class Account:
    """The shards of one command, and what came of each."""

    manifest: Manifest
    shards: Sequence[Shard]
    before: Mapping[int, Standing]
    applied: dict[int, Applied]

    def left(self) -> Iterable[Shard]:
        """The shards that are not over."""
        return (one for one in self.shards if not self.before.get(one.number, _UNTOUCHED).is_over)

    @property
    def met_operation(self) -> Set[int]:
        """The numbers of the shards after which nothing of the plan is deleted any more."""
        return {number for number, stands in self.before.items() if stands.met_operation}

    @property
    def planned(self) -> int:
        """How many instances they delete."""
        return sum(shard.deletions for shard in self.shards)

    def is_begun(self, history: History, error: ReconcilerError) -> bool:
        """Whether this command may have deleted something before ``error`` ended it."""
        if self.applied or error.exit_code in {ExitCode.REFUSED, ExitCode.LOCKED}:
            return bool(self.applied)
        after = standing(history, self.manifest)
        return any(self._runs(after, one) != self._runs(self.before, one) for one in self.shards)

    def report(
        self,
        run: str,
        started: datetime,
        ended: datetime,
        stop: Stop,
        history: History,
        *,
        head: str | None,
        traffic: Sequence[Traffic],
    ) -> RunReport:
        """The one report; ``history`` is the record as it stands at the end."""
        counts = Counter(dict.fromkeys(Operation.APPLY.outcomes, 0))
        unproven: list[InstanceResult] = []
        taken_over = 0
        after = standing(history, self.manifest)
        for shard in self.shards:
            done = self.applied.get(shard.number)
            if done is not None:
                counts.update(done.report.counts)
                unproven += done.report.unproven
                taken_over += done.report.taken_over
                continue
            found = self._by_record(shard, after.get(shard.number, _UNTOUCHED), history)
            counts.update(found)
            unproven += self._unproven(shard, found, history)
            taken_over += sum(count for outcome, count in found.items() if outcome.is_gone)
        earlier = tuple(run for one in self.shards for run in self._runs(self.before, one))
        runs = tuple(
            run for one in self.shards for run in self._runs(after, one) if run not in set(earlier)
        )
        states = [done.report.state for done in self.applied.values()]
        return RunReport(
            Operation.APPLY,
            run=run,
            plan_id=self.manifest.plan_id,
            digest=self.manifest.digest,
            state=_state_of(states, stop, is_done=all(map(_is_proven_or_zero, counts.items()))),
            started=started,
            ended=ended,
            counts=dict(counts),
            unproven=tuple(unproven),
            stopped_because=stop.reason,
            resumed=earlier,
            journal_head=head if runs else None,
            traffic=_sum_of(traffic),
            taken_over=taken_over,
            runs=runs,
        )

    def _runs(self, stands: Mapping[int, Standing], shard: Shard) -> tuple[str, ...]:
        return stands.get(shard.number, _UNTOUCHED).runs

    def _by_record(self, shard: Shard, stands: Standing, history: History) -> Mapping[Outcome, int]:
        """What is on record of a shard that this command did not bring to an end."""
        if stands.is_over and stands.ended is not None:
            return stands.ended.counts
        counts = Counter(self._outcomes(shard, history).values() if stands.runs else ())
        counts[Outcome.NOT_ATTEMPTED] += shard.deletions - counts.total()
        return counts

    def _outcomes(self, shard: Shard, history: History) -> Mapping[PlannedKey, Outcome]:
        """What is on record of each instance; of an attempt without an end nothing is known."""
        plan_id = _plan_id(self.manifest, shard)
        plan = history.of_plan(plan_id)
        left_open = {
            (store.store, attempt.instance): Outcome.UNCONFIRMED
            for store in self.manifest.plan.stores
            for attempt in history.open_attempts(store.store, self.manifest.endpoint)
            if attempt.run.plan_id == plan_id
        }
        return {**(plan.outcomes if plan else {}), **left_open}

    def _unproven(
        self, shard: Shard, counts: Mapping[Outcome, int], history: History
    ) -> Iterable[InstanceResult]:
        """The instances that the record names; those that nobody attempted are none of them."""
        tried = (one for one in counts if not one.is_proven and one is not Outcome.NOT_ATTEMPTED)
        if not any(map(counts.get, tried)):
            return ()
        return (
            InstanceResult(store, instance, outcome)
            for (store, instance), outcome in sorted(self._outcomes(shard, history).items())
            if not outcome.is_gone
        )


def _plan_id(manifest: Manifest, shard: Shard) -> str:
    return plan_id_of(PartOf(manifest.plan_id, shard.number))


def _is_proven_or_zero(count: tuple[Outcome, int]) -> bool:
    return count[0].is_proven or not count[1]


def _state_of(states: Iterable[RunState], stop: Stop, *, is_done: bool) -> RunState:
    """A stop that came when everything was proven changes nothing, as of one run."""
    if RunState.ABORTED in {*states, stop.state}:
        return RunState.ABORTED
    if is_done or not stop.is_requested:
        return RunState.COMPLETED
    return stop.state


def _sum_of(traffic: Sequence[Traffic]) -> Traffic | None:
    """What several processes have sent side by side."""
    if not traffic:
        return None
    requests: Counter[str] = Counter()
    for one in traffic:
        requests.update(one.requests)
    limits = [one.rate_limit for one in traffic if one.rate_limit is not None]
    return Traffic(
        requests,
        per_second=sum(one.per_second for one in traffic),
        throttled=sum(one.throttled for one in traffic),
        rate_limit=max(limits, default=None),
        most_parallelism=sum(one.most_parallelism for one in traffic),
        lowest_parallelism=sum(one.lowest_parallelism for one in traffic),
        parallelism=sum(one.parallelism for one in traffic),
    )
