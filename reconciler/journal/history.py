"""All runs of a state folder together: the fold over them, kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from reconciler.journal.fold import Attempt, Event, Fold, Proof, Read, RestoreDone, Untried
from reconciler.journal.log import RunLog, require_as_logged
from reconciler.journal.order import RunStart, in_order
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import FirstRecord, RestoreStarted, RunEnded, RunStarted
from reconciler.journal.state import RUNS, RunFile, State
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.outcome import Outcome
from reconciler.model.past import LastWord, PutBack, Removed
from reconciler.model.service import Store, store_at

ProgressCallback = Callable[[int, int], None]
PlannedKey = tuple[StoreAddress, InstanceAddress]


@dataclass(frozen=True, slots=True)
class PlanHistory:
    """How far a plan came over all its runs, which stand in their order.

    ``started`` is when the latest run began, ``ended`` the end of the latest run that has
    one; ``outcomes`` the last outcome of each instance, what a later run settled for these runs
    included. Of a plan that is over only those that are not gone are kept. ``failed`` are the
    attempts that are closed without a proof that the instance is gone, by instance.
    ``met_operation`` says that a DELETE of one of the runs was answered with a long-running
    operation.
    """

    runs: tuple[str, ...]
    started: datetime
    ended: RunEnded | None
    outcomes: Mapping[PlannedKey, Outcome]
    failed: Mapping[PlannedKey, Sequence[Attempt]] = field(default_factory=dict)
    met_operation: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it came to an end after which it is never applied again."""
        return self.ended is not None and self.ended.state.is_final


@dataclass(slots=True)
class _Past:
    """What is on record of one instance: its latest removal and its latest restore.

    An attempt that did not prove it to be gone moves neither. ``is_gone`` is what the latest proof
    or restore says, whoever removed it.
    """

    removed: Removed | None = None
    put_back: PutBack | None = None
    is_gone: bool = False

    def add_restore(self, done: RestoreDone) -> None:
        """Take a restore; one that is not verified moves nothing."""
        one = done.record
        if one.outcome.is_restored:
            self.is_gone = False
            self.put_back = PutBack(
                one.run, done.run.name, done.run.place, one.outcome, one.source, one.reason
            )

    def add_proof(self, proof: Proof) -> None:
        """Take a proof: a removal has the place of its attempt; what was found gone is none."""
        remover = proof.removal
        if remover is not None and (self.removed is None or self.removed.place <= remover.place):
            self.removed = Removed(remover.name, remover.place)
        if proof.record.outcome.is_gone:
            self.is_gone = True
            if self.put_back is not None:  # it came before the look, whenever the attempt was
                self.put_back = self.put_back._replace(is_there=False)

    @property
    def last_word(self) -> LastWord | None:
        """What came last."""
        if self.removed is None or self.put_back is None:
            return self.removed or self.put_back
        return self.removed if self.removed.place > self.put_back.place else self.put_back


class StoreHistory:
    """What is on record of the instances of one store."""

    def __init__(self) -> None:
        self._pasts: dict[InstanceAddress, _Past] = {}

    @property
    def known(self) -> Set[InstanceAddress]:
        """Every instance that an apply was to delete: a plan had seen it."""
        return self._pasts.keys()

    def last_word(self, instance: InstanceAddress) -> LastWord | None:
        """What moved an instance last; None where no removal of it is proven."""
        past = self._pasts.get(instance)
        return past.last_word if past else None

    def gone(self) -> frozenset[InstanceAddress]:
        """The instances that are proven to be gone, whoever removed them."""
        return frozenset(one for one, past in self._pasts.items() if past.is_gone)

    def note(self, instance: InstanceAddress) -> _Past:
        """Take note that a run was to delete the instance."""
        return self._pasts.setdefault(instance, _Past())

    def add(self, event: Proof | RestoreDone) -> None:
        """Take what the fold says of the store's instances."""
        past = self.note(event.record.instance)
        if isinstance(event, RestoreDone):
            past.add_restore(event)
        else:
            past.add_proof(event)


@dataclass(slots=True)
class _Plan:
    runs: list[Read] = field(default_factory=list)
    outcomes: dict[PlannedKey, Outcome] = field(default_factory=dict)
    failed: dict[PlannedKey, list[Attempt]] = field(default_factory=dict)


class History:
    """The runs of a state folder that started, in their order."""

    def __init__(self) -> None:
        self.runs: list[Read] = []
        self._stores: dict[Store, StoreHistory] = {}
        self._plans: dict[str, _Plan] = {}
        self._open: dict[Store, list[Attempt]] = {}

    @classmethod
    def read(cls, state: State, on_progress: ProgressCallback | None = None) -> Self:
        """Read every apply and restore on record; a place that does not exist has none.

        ``on_progress`` is called with how many bytes are read, and how many there are.

        Raises:
            JournalError: a run cannot be read, is broken, or is not as the log has it; it may hide
                deletions.
        """
        # What is in the log is over, so the log comes first.
        logged = {one.entry.run: one.entry for one in RunLog(state.objects, RUNS)}
        files = _in_order(state.run_files(RUNS))
        on_read = None if on_progress is None else _counter(files, on_progress)
        history, fold = cls(), Fold(file.name for file in files)
        for file in files:
            entry = logged.get(file.name)
            records = RunRecords(file, on_read, measures=entry is not None)
            for event in fold.add(records):
                history._add(event)
            if entry is not None:
                require_as_logged(records, entry)
        for attempt in fold.open_attempts():
            history._stores.setdefault(attempt.store, StoreHistory()).note(attempt.instance)
            history._open.setdefault(attempt.store, []).append(attempt)
        for attempt in fold.failed_attempts():
            failed = history._plans[attempt.run.plan_id or ""].failed
            failed.setdefault((attempt.store.address, attempt.instance), []).append(attempt)
        return history

    def of(self, store: StoreAddress, endpoint: str) -> StoreHistory:
        """What is on record of a store, by whatever name its endpoint was reached then."""
        return self._stores.get(store_at(endpoint, store), StoreHistory())

    def open_attempts(self, store: StoreAddress, endpoint: str) -> tuple[Attempt, ...]:
        """What runs left open in a store, and no later run closed."""
        return tuple(self._open.get(store_at(endpoint, store), ()))

    def restores_of(self, run: str) -> tuple[str, ...]:
        """The restores that were asked to put this run's archive back, in their order."""
        return tuple(
            one.run.name
            for one in self.runs
            if isinstance(one.run.started, RestoreStarted)
            and one.run.started.restores[-1:] == (run,)
        )

    def of_plan(self, plan_id: str) -> PlanHistory | None:
        """What became of a plan; None if no run of it ever started."""
        plan = self._plans.get(plan_id)
        if plan is None:
            return None
        ends = [run.ended for run in plan.runs if run.ended is not None]
        return PlanHistory(
            tuple(run.run.name for run in plan.runs),
            plan.runs[-1].run.started.time,
            ends[-1] if ends else None,
            plan.outcomes,
            plan.failed,
            any(run.met_operation for run in plan.runs),
        )

    def unfinished_applies(self, now: datetime) -> tuple[Read, ...]:
        """The latest run of each plan that did not finish.

        A plan that has expired, or of which something was restored since, counts only as long as an
        attempt of it is open: applying it settles that and deletes nothing.
        """
        open_plans = {one.run.plan_id for some in self._open.values() for one in some}
        latest: dict[str, tuple[Read, RunStarted]] = {}
        restored: set[str] = set()
        for read in self.runs:
            started = read.run.started
            if isinstance(started, RunStarted):
                latest[started.plan_id] = read, started
            else:
                restored.update(started.restores[-1:])
        found = []
        for plan_id, (read, started) in latest.items():
            plan = self.of_plan(plan_id)
            if plan is None or plan.is_over:
                continue
            is_refused = started.expires is not None and now >= started.expires
            is_refused |= not restored.isdisjoint(plan.runs)
            if not is_refused or plan_id in open_plans:
                found.append(read)
        return tuple(found)

    def unfinished(self, digest: str) -> str | None:
        """The id of the latest plan of this digest that a run began, if its end is still open."""
        for read in reversed(self.runs):
            started = read.run.started
            if isinstance(started, RunStarted) and started.digest == digest:
                plan = self.of_plan(started.plan_id)
                return started.plan_id if plan is not None and not plan.is_over else None
        return None

    def _add(self, event: Event) -> None:
        match event:
            case Proof() | RestoreDone():
                self._stores.setdefault(event.store, StoreHistory()).add(event)
                if isinstance(event, Proof):
                    self._add_outcome(event)
            case Untried():
                self._stores.setdefault(event.store, StoreHistory()).note(event.instance)
            case Read():
                self._add_run(event)

    def _add_outcome(self, proof: Proof) -> None:
        plan_id = proof.run.plan_id if proof.run else None
        if plan_id is not None:
            key = (proof.store.address, proof.record.instance)
            self._plans.setdefault(plan_id, _Plan()).outcomes[key] = proof.record.outcome

    def _add_run(self, read: Read) -> None:
        self.runs.append(read)
        plan_id = read.run.plan_id
        if plan_id is None:
            return
        plan = self._plans.setdefault(plan_id, _Plan())
        plan.runs.append(read)
        if read.ended is not None and read.ended.state.is_final:
            # Of a plan that is over, what is gone is counted at its end, and never asked for again.
            left = {key: one for key, one in plan.outcomes.items() if not one.is_gone}
            plan.outcomes = left


def _in_order(files: Iterable[RunFile]) -> tuple[RunFile, ...]:
    """The runs in their order; what holds no first record is first, to be reported."""
    by_name = {file.name: file for file in files}
    starts = {name: _start_of(file) for name, file in by_name.items()}
    ordered = in_order(start for start in starts.values() if start is not None)
    others = (name for name, start in starts.items() if start is None)
    return tuple(by_name[name] for name in (*others, *ordered))


def _start_of(file: RunFile) -> RunStart | None:
    """Where the run stands; None where the file does not begin with the first record of one."""
    first = next(iter(RunRecords(file)), None)
    return RunStart.of(first) if isinstance(first, FirstRecord) else None


def _counter(files: Iterable[RunFile], on_progress: ProgressCallback) -> Callable[[int], None]:
    """What adds up the bytes that are read."""
    total = sum(file.size for file in files)
    done = 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        on_progress(done, max(done, total))

    return add


def has_runs(state: State) -> bool:
    """Whether a run ever started, by the first records alone.

    Raises:
        JournalError: as `History.read`, so far as it reads.
    """
    return any(next(iter(RunRecords(file)), None) is not None for file in state.run_files(RUNS))
