"""The totals of an audit report, counted while the record is read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from reconciler.audit.runs import Runs, read_runs
from reconciler.audit.selection import recorded_deletions
from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import check
from reconciler.errors import JournalError
from reconciler.model.address import InstanceAddress
from reconciler.model.audit import AuditReport, ChangingRun, RemovalCounts, Selection
from reconciler.model.deletion import RecordedDeletion
from reconciler.model.outcome import Operation, Outcome
from reconciler.model.service import Store, store_at

UNKNOWN = "unknown"


def make_report(
    snapshot: Snapshot, selection: Selection, *, made: datetime, tool_version: str
) -> AuditReport:
    """Check the whole record, and count what is asked for.

    Raises:
        UsageError: there is no such run.
        JournalError: the order of the runs contradicts itself.
    """
    deletions = selected_deletions(snapshot, selection)
    checked = check(snapshot)
    selected = snapshot.selected(selection)
    runs = read_runs(snapshot, selected, checked)
    latest = runs.plans.latest()
    totals = _Totals(latest)
    for deletion in deletions:
        totals.add(deletion)
    changes = _selected_changes(runs, totals, selected)
    times = _times(runs, changes)
    restored = Counter(one.outcome for one in runs.put_back)
    return AuditReport(
        made=made,
        tool_version=tool_version,
        verification=checked.verification,
        selection=selection,
        first=min(times, default=None),
        last=max(times, default=None),
        runs=len(times),
        outcomes={outcome: totals.outcomes[outcome] for outcome in Operation.APPLY.outcomes},
        restored={outcome: restored[outcome] for outcome in Operation.RESTORE.outcomes},
        by_reason=_sorted(totals.by_reason()),
        by_store=_sorted(totals.by_store()),
        by_day_and_reason={day: _sorted(totals.reasons[day]) for day in sorted(totals.reasons)},
        by_actor=_sorted(totals.actors),
        removed=totals.removals.counts,
        restored_since=totals.removals.restored_since,
        proven_later=totals.proven_later,
        unproven=totals.unproven,
        changes=changes,
        coverage=tuple(
            replace(plan, gone=len(totals.gone_by_plan[plan_id]))
            for plan_id, plan in latest.items()
            if selection.is_all
        ),
        refusals=runs.plans.refusals(runs.refused_plans),
        refused_applies=tuple(runs.refused_applies),
        reappeared=runs.plans.reappeared(),
        left_dangling=runs.left_dangling(),
        put_back=tuple(runs.put_back),
        kept=runs.plans.kept(),
        images_read=tuple(runs.images_read),
        heads=tuple(log[-1].head for log in snapshot.logs.values() if log),
    )


def selected_deletions(snapshot: Snapshot, selection: Selection) -> Iterator[RecordedDeletion]:
    """The deletions that are asked for; the check of the record reports what cannot be read.

    Raises as `recorded_deletions`.
    """
    return recorded_deletions(snapshot, selection, _ignore)


def _ignore(_: JournalError) -> None:
    """The check of the record found it too."""


class _Removals:
    """The instances that DELETEs of ours removed, each once; by hash, since there may be millions.

    A second removal on record is one more only if the instance had been stored again: if it was
    attempted after a look had proven the first.
    """

    def __init__(self) -> None:
        self._proven_at: dict[int, int] = {}
        self._unclear: set[int] = set()
        self._back: set[int] = set()
        self._series: set[int] = set()
        self._studies: set[int] = set()
        self._copied: set[int] = set()
        self._again = 0

    @property
    def counts(self) -> RemovalCounts:
        """How many removals there are, and of what."""
        return RemovalCounts(
            len(self._proven_at),
            len(self._series),
            len(self._studies),
            len(self._unclear),
            self._again,
            len(self._copied),
        )

    @property
    def restored_since(self) -> int:
        """How many of the instances were put back after their last removal."""
        return len(self._back)

    def add(self, deletion: RecordedDeletion) -> bool:
        """Count one removal; whether it is not just another account of one that was counted."""
        store, instance = _key(deletion)
        key = hash((store, instance))
        before = self._proven_at.get(key)
        is_clear = deletion.outcome is Outcome.DELETED
        is_new = before is None or deletion.place > before
        if is_new:
            self._again += before is not None
            self._series.add(hash((store, instance[:2])))
            self._studies.add(hash((store, instance.study_uid)))
            self._proven_at[key] = deletion.proven_at
            _keep(self._unclear, key, member=not is_clear)
            _keep(self._copied, key, member=deletion.copy is not None)
            _keep(self._back, key, member=deletion.restored_by is not None)
        elif is_clear:
            self._unclear.discard(key)
        return is_new

    def was_gone_after(self, deletion: RecordedDeletion) -> bool:
        """Whether a look proved the instance to be gone after this attempt on it."""
        return self._proven_at.get(hash(_key(deletion)), -1) > deletion.place


def _key(deletion: RecordedDeletion) -> tuple[Store, InstanceAddress]:
    return store_at(deletion.run.endpoint, deletion.store), deletion.instance


def _keep(members: set[int], key: int, *, member: bool) -> None:
    members.add(key) if member else members.discard(key)


class _Totals:
    """Deletions by what is asked about them; ``plans`` are those that coverage is asked of."""

    def __init__(self, plans: Iterable[str]) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.removals = _Removals()
        self.reasons: dict[str, Counter[str]] = {}
        self._stores: Counter[Store] = Counter()
        self.actors: Counter[str] = Counter()
        self.gone_by_plan: dict[str, set[int]] = {plan_id: set() for plan_id in plans}
        self.tickets: defaultdict[str, set[str]] = defaultdict(set)
        self.proven_later = 0
        self._unproven: dict[tuple[Store, InstanceAddress], RecordedDeletion] = {}

    @property
    def unproven(self) -> tuple[RecordedDeletion, ...]:
        """The latest deletions of their instances that are not proven."""
        return tuple(self._unproven.values())

    def add(self, deletion: RecordedDeletion) -> None:
        """Count one deletion; they come in the order of their proofs."""
        self.outcomes[deletion.outcome] += 1
        for run in filter(None, (deletion.run.run, deletion.settled_by)):
            tickets = self.tickets[run]
            if deletion.reason is not None and deletion.reason.ticket is not None:
                tickets.add(deletion.reason.ticket)
        earlier = self._unproven.pop(_key(deletion), None)
        if not deletion.outcome.is_gone:
            self._add_unproven(deletion)
            return
        self.proven_later += earlier is not None
        if (gone := self.gone_by_plan.get(deletion.run.plan_id)) is not None:
            _keep(gone, hash(_key(deletion)), member=deletion.restored_by is None)
        if deletion.is_removal and self.removals.add(deletion):
            self._add_removal(deletion)

    def _add_unproven(self, deletion: RecordedDeletion) -> None:
        if self.removals.was_gone_after(deletion):
            self.proven_later += 1
        else:
            self._unproven[_key(deletion)] = deletion

    def _add_removal(self, deletion: RecordedDeletion) -> None:
        reason = deletion.reason
        code = f"{reason.code.value} {reason.code.meaning}" if reason else UNKNOWN
        day = f"{deletion.time:%Y-%m-%d}"
        self.reasons.setdefault(day, Counter())[code] += 1
        self._stores[store_at(deletion.run.endpoint, deletion.store)] += 1
        self.actors[deletion.actor or UNKNOWN] += 1

    def by_store(self) -> dict[str, int]:
        """The stores; with their services, where the record is of several."""
        is_one = len({service for service, _ in self._stores}) <= 1
        return {
            str(address) if is_one else f"{address} at {service}": count
            for (service, address), count in self._stores.items()
        }

    def by_reason(self) -> Counter[str]:
        """The reasons of all days."""
        return sum(self.reasons.values(), Counter())


def _selected_changes(runs: Runs, totals: _Totals, selection: Selection) -> tuple[ChangingRun, ...]:
    """The applies and restores that are asked for, or that something that is belongs to."""
    touched = totals.tickets.keys() | {one.run for one in runs.put_back}
    return tuple(
        replace(one, tickets=tuple(sorted(totals.tickets.get(one.run, ()))))
        for one in sorted(runs.changes, key=lambda one: (one.time, one.run))
        if one.run in touched or (selection.is_by_run and selection.takes_run(one.run, one.time))
    )


def _times(runs: Runs, changes: tuple[ChangingRun, ...]) -> list[datetime]:
    """When the runs that the report speaks of began."""
    named = {one.run for one in changes}
    left_out = {one.run for one in runs.changes} - named
    return [time for run, time in runs.times.items() if run not in left_out]


def _sorted(counts: Mapping[str, int]) -> Mapping[str, int]:
    return dict(sorted(counts.items()))
