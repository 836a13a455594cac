"""All applies and restores of a state folder together: what the record says of plans and instances.

Most questions are answered by the index. The record of a run is read where it has none, where it
may have left an attempt open, and where a question is about a plan or an instance of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from reconciler.journal.catalogue import Catalogue
from reconciler.journal.fold import Attempt, Event, Fold, Proof, Read, RestoreDone, Run
from reconciler.journal.index import Mentions, RunIndex, key_of
from reconciler.journal.log import require_as_logged
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import RestoreStarted, RunEnded, RunStarted
from reconciler.journal.state import RunFile, State
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.outcome import Outcome
from reconciler.model.past import LastWord, PutBack, Removed
from reconciler.model.plan import PartOf
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

    An attempt that did not prove it to be gone moves neither.
    """

    removed: Removed | None = None
    put_back: PutBack | None = None

    def add_restore(self, done: RestoreDone) -> None:
        """Take a restore; one that is not verified moves nothing."""
        one = done.record
        if one.outcome.is_restored:
            self.put_back = PutBack(
                one.run, done.run.name, done.run.place, one.outcome, one.source, one.reason
            )

    def add_proof(self, proof: Proof) -> None:
        """Take a proof: a removal has the place of its attempt; what was found gone is none."""
        remover = proof.removal
        if remover is not None and (self.removed is None or self.removed.place <= remover.place):
            self.removed = Removed(remover.name, remover.place)
        if proof.record.outcome.is_gone and self.put_back is not None:
            # It came before the look, whenever the attempt was.
            self.put_back = self.put_back._replace(is_there=False)

    @property
    def last_word(self) -> LastWord | None:
        """What came last."""
        if self.removed is None or self.put_back is None:
            return self.removed or self.put_back
        return self.removed if self.removed.place > self.put_back.place else self.put_back


class StoreHistory:
    """What is on record of the instances of one store, by the indexes of the runs."""

    def __init__(self, store: Store, by_parent: Mapping[int, Sequence[RunIndex]]) -> None:
        """``by_parent`` are the runs that were about a study or series, in their order."""
        self._store = store
        self._by_parent = by_parent
        self._by_study: dict[str, Sequence[RunIndex]] = {}

    def is_gone(self, instance: InstanceAddress) -> bool:
        """Whether the instance is proven to be gone, whoever removed it."""
        runs = self._about(instance.study_uid)
        key = key_of(self._store, *instance) if runs else 0
        moved = (run for run in reversed(runs) if key in run.gone or key in run.restored)
        return next((key in run.gone for run in moved), False)

    def knows(self, study_uid: str, *below: str) -> bool:
        """Whether an apply was to delete this instance, or one of this series or study."""
        runs = self._about(study_uid)
        key = key_of(self._store, study_uid, *below) if runs else 0
        return any(
            key in some for run in runs for some in (run.parents, run.gone, run.restored, run.other)
        )

    def _about(self, study_uid: str) -> Sequence[RunIndex]:
        if study_uid not in self._by_study:
            key = key_of(self._store, study_uid)
            self._by_study[study_uid] = self._by_parent.get(key, ())
        return self._by_study[study_uid]


@dataclass(slots=True)
class _Plan:
    runs: list[Read] = field(default_factory=list)
    outcomes: dict[PlannedKey, Outcome] = field(default_factory=dict)
    failed: dict[PlannedKey, list[Attempt]] = field(default_factory=dict)

    @property
    def ended(self) -> RunEnded | None:
        """The end of the latest run that has one."""
        return next((run.ended for run in reversed(self.runs) if run.ended is not None), None)

    @property
    def is_over(self) -> bool:
        """As `PlanHistory.is_over`."""
        return self.ended is not None and self.ended.state.is_final


class History:
    """The runs of a state folder that started, in their order; see the module for what is read.

    A method that reads more raises JournalError as `read` does.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        order: Sequence[str],
        chosen: Set[str],
        on_progress: ProgressCallback | None = None,
    ) -> None:
        """Read the records of those that are ``chosen``; `read` finds out which."""
        self.runs: list[Read] = []
        self._catalogue = catalogue
        self._order = order
        self._chosen = chosen
        self._indexes: list[RunIndex] = []
        self._pasts: dict[tuple[Store, InstanceAddress], _Past] = {}
        self._plans: dict[str, _Plan] = {}
        self._open: dict[Store, list[Attempt]] = {}
        self._fold(on_progress)

    @classmethod
    def read(
        cls,
        state: State,
        on_progress: ProgressCallback | None = None,
        *,
        part: PartOf | None = None,
    ) -> History:
        """Find every apply and restore on record; a place that does not exist has none.

        ``on_progress`` is called with how many bytes are read, and how many there are to read. For
        a shard, which is ``part`` of a plan, the runs of its other shards that have no index are
        left out, such as those under way: they are about studies of their own.

        Raises:
            JournalError: a run cannot be read, is broken, or is not as the log has it; it may hide
                deletions.
        """
        catalogue = Catalogue.read(state)
        unindexed = catalogue.unindexed.keys() - (catalogue.beside(part) if part else set())
        chosen = catalogue.to_read(unindexed | catalogue.left_open())
        history = cls(catalogue, catalogue.in_order(), chosen, on_progress)
        # What a run without an index left open may have been closed by one that has one.
        return history._having_read(catalogue.naming(history._open_keys()))

    @property
    def stores(self) -> frozenset[Store]:
        """The stores of all runs."""
        return frozenset(store for read in self.runs for store in read.run.stores)

    def of(self, store: StoreAddress, endpoint: str) -> StoreHistory:
        """What is on record of a store, by whatever name its endpoint was reached then."""
        return StoreHistory(store_at(endpoint, store), self._by_parent)

    def last_words(
        self, instances: Iterable[PlannedKey], endpoint: str
    ) -> Mapping[PlannedKey, LastWord]:
        """What moved each instance last, of those of which a removal is proven."""
        asked = [(key, (store_at(endpoint, key[0]), key[1])) for key in instances]
        named = frozenset(self._named([here for _, here in asked]))
        pasts = self._having_read(self._catalogue.naming(named))._pasts
        words = ((key, past.last_word) for key, here in asked if (past := pasts.get(here)))
        return {key: word for key, word in words if word is not None}

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
        if plan_id not in self._plans:
            return None
        names = tuple(read.run.name for read in self._plans[plan_id].runs)
        plan = self._having_read(names)._plans[plan_id]
        return PlanHistory(
            names,
            plan.runs[-1].run.started.time,
            plan.ended,
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
            plan = self._plans[plan_id]
            if plan.is_over:
                continue
            is_refused = started.expires is not None and now >= started.expires
            is_refused |= not restored.isdisjoint(one.run.name for one in plan.runs)
            if not is_refused or plan_id in open_plans:
                found.append(read)
        return tuple(found)

    def unfinished(self, digest: str) -> str | None:
        """The id of the latest plan of this digest that a run began, if its end is still open."""
        for read in reversed(self.runs):
            started = read.run.started
            if isinstance(started, RunStarted) and started.digest == digest:
                return None if self._plans[started.plan_id].is_over else started.plan_id
        return None

    def _having_read(self, runs: Iterable[str]) -> History:
        """The same, with the records of these runs read too."""
        chosen = self._catalogue.to_read(runs)
        if chosen <= self._chosen:
            return self
        return History(self._catalogue, self._order, self._chosen | chosen)

    def _open_keys(self) -> set[int]:
        attempts = (one for some in self._open.values() for one in some)
        return {key_of(one.store, *one.instance) for one in attempts}

    @cached_property
    def _by_parent(self) -> Mapping[int, Sequence[RunIndex]]:
        """The runs that were about a study or series, in their order."""
        found: dict[int, list[RunIndex]] = {}
        for index in self._indexes:
            for parent in index.parents:
                found.setdefault(parent, []).append(index)
        return found

    def _named(self, instances: Sequence[tuple[Store, InstanceAddress]]) -> Iterator[int]:
        """The keys of those instances of which the index knows the study."""
        studies = {(store, one.study_uid) for store, one in instances}
        keys = {study: key_of(*study) for study in studies}
        among = frozenset(keys.values())
        known = frozenset().union(*(index.parents_among(among) for index in self._indexes))
        for store, instance in instances:
            if keys[store, instance.study_uid] in known:
                yield key_of(store, *instance)

    def _fold(self, on_progress: ProgressCallback | None) -> None:
        catalogue, fold = self._catalogue, Fold(self._order)
        files = {name: file for name in self._chosen if (file := catalogue.file(name))}
        on_read = _counter(files.values(), on_progress)
        mentions = {name: Mentions() for name in files}
        for place, name in enumerate(self._order):
            if name not in files:
                if name in catalogue.indexed:
                    self._add_run(_read_of(catalogue.indexed[name], place))
                continue
            logged = catalogue.logged.get(name)
            records = RunRecords(files[name], on_read, measures=logged is not None)
            for event in fold.add(records):
                self._add(event)
                mentions[name].add(event)
            if logged is not None:
                require_as_logged(records, *logged)
        for attempt in fold.open_attempts():
            self._open.setdefault(attempt.store, []).append(attempt)
            mentions[attempt.run.name].leave_open(attempt)
        for attempt in fold.failed_attempts():
            failed = self._plans[attempt.run.plan_id or ""].failed
            failed.setdefault((attempt.store.address, attempt.instance), []).append(attempt)
        for read in self.runs:
            name = read.run.name
            self._indexes.append(catalogue.indexed.get(name) or mentions[name].index(read))

    def _add(self, event: Event) -> None:
        match event:
            case Proof(store=store, record=record):
                self._past(store, record.instance).add_proof(event)
                self._add_outcome(event)
            case RestoreDone(store=store, record=record):
                self._past(store, record.instance).add_restore(event)
            case Read():
                self._add_run(event)

    def _past(self, store: Store, instance: InstanceAddress) -> _Past:
        return self._pasts.setdefault((store, instance), _Past())

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


def _read_of(index: RunIndex, place: int) -> Read:
    """What the fold says of a run at its end, by the index."""
    started, line = index.started, index.line
    stores = tuple(store_at(started.endpoint, store) for store in started.stores)
    run = Run(started, place, stores)
    return Read(run, index.ended, line.met_operation, line.only, line.has_begun)


def _counter(
    files: Iterable[RunFile], on_progress: ProgressCallback | None
) -> Callable[[int], None] | None:
    """What adds up the bytes that are read."""
    if on_progress is None:
        return None
    total = sum(file.size for file in files)
    done = 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        on_progress(done, max(done, total))

    return add
