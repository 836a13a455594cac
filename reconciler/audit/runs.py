"""What the runs of a record say of themselves, beside the deletions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import Checked
from reconciler.errors import ExitCode, JournalError
from reconciler.journal.readings import (
    KeptSeen,
    NothingDone,
    PlanEnded,
    PlanMade,
    QueryStarted,
    Retrieved,
    ReturnedSeen,
)
from reconciler.journal.records import (
    Record,
    Restored,
    RestoreEnded,
    RestoreStarted,
    RunEnded,
    RunStarted,
)
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.audit import (
    CameBack,
    ChangingRun,
    Coverage,
    ImagesRead,
    LastSeen,
    PutBack,
    Refusal,
    RefusedApply,
    Selection,
)
from reconciler.model.desired import InputRole

_KeepKey = tuple[StoreAddress, str, str | None, str, str | None]
"""A keep entry, whatever plan names it: store, study, series, file and hold; lines move."""

Records = Iterator[Record]


@dataclass(slots=True)
class Runs:
    """What was read so far; of what single deletions are about only what is selected.

    ``planned`` are the plans that were made, by their ids: which files, when, what was decided.
    """

    selection: Selection
    times: dict[str, datetime] = field(default_factory=dict)
    changes: list[ChangingRun] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    refused_applies: list[RefusedApply] = field(default_factory=list)
    put_back: list[PutBack] = field(default_factory=list)
    images_read: list[ImagesRead] = field(default_factory=list)
    planned: dict[str, Coverage] = field(default_factory=dict)
    returned_by_key: dict[tuple[StoreAddress, InstanceAddress, str], CameBack] = field(
        default_factory=dict
    )
    kept_by_key: dict[_KeepKey, LastSeen] = field(default_factory=dict)
    latest_plan: dict[StoreAddress, datetime] = field(default_factory=dict)

    def came_back(self) -> tuple[CameBack, ...]:
        """Each instance once for each run that had removed it."""
        return tuple(
            sorted(self.returned_by_key.values(), key=lambda one: (one.time, one.instance))
        )

    def kept(self) -> tuple[LastSeen, ...]:
        """Each keep entry once, and whether the latest plan of its store still names it."""
        return tuple(
            replace(one, is_current=one.time >= self.latest_plan.get(one.store, one.time))
            for _, one in sorted(self.kept_by_key.items(), key=lambda item: repr(item[0]))
        )

    def latest_plans(self) -> Mapping[str, Coverage]:
        """Of the plans of the same files the latest, by their ids."""
        latest: dict[tuple[str, ...], tuple[str, Coverage]] = {}
        for plan_id, plan in self.planned.items():
            before = latest.get(plan.files)
            if before is None or before[1].time <= plan.time:
                latest[plan.files] = (plan_id, plan)
        return dict(latest[files] for files in sorted(latest))


def read_runs(snapshot: Snapshot, selection: Selection, checked: Checked) -> Runs:
    """Read what is not about deletions; what cannot be read was told by the check.

    Of an apply no more is read than its first record: the check met its last one.

    Raises:
        JournalError: the order of the runs contradicts itself.
    """
    runs = Runs(selection)
    for path in (*snapshot.changing(), *snapshot.readings()):
        records = iter(snapshot.records(path))
        try:
            started = next(records, None)
            match started:
                case RunStarted():
                    _note_change(runs, started, checked)
                case RestoreStarted():
                    _note_change(runs, started, checked)
                    _read_restore(runs, started, records)
                case PlanMade() if selection.takes_run(started.run, started.time):
                    _read_plan(runs, started, records)
                case QueryStarted() if selection.takes_run(started.run, started.time):
                    _read_query(runs, started, records)
                case NothingDone() if selection.takes_run(started.run, started.time):
                    _note_refusal(runs, started)
        except JournalError:
            continue
    return runs


def _note_change(runs: Runs, started: RunStarted | RestoreStarted, checked: Checked) -> None:
    """An apply or a restore, whatever is selected: which of them count shows in the deletions."""
    runs.times[started.run] = started.time
    change = ChangingRun(
        started.run,
        started.time,
        started.digest if isinstance(started, RunStarted) else None,
        started.restores if isinstance(started, RestoreStarted) else (),
        started.provenance,
        checked.heads.get(started.run),
        started.planned,
    )
    ended = checked.ends.get(started.run)
    if isinstance(ended, RunEnded | RestoreEnded):
        change = replace(
            change,
            state=ended.state,
            counts={one.value: count for one, count in ended.counts.items()},
            stopped_because=ended.stopped_because,
        )
    runs.changes.append(change)


def _read_restore(runs: Runs, started: RestoreStarted, records: Records) -> None:
    for record in records:
        if isinstance(record, Restored):
            _note_put_back(runs, record, started)


def _note_put_back(runs: Runs, record: Restored, started: RestoreStarted) -> None:
    is_asked_for = (
        runs.selection.takes_run(started.run, record.time)
        and runs.selection.takes_study(record.instance.study_uid)
        and runs.selection.takes_reason(record.reason.code)
    )
    if is_asked_for:
        one = PutBack(
            started.run,
            record.time,
            started.stores[record.store],
            record.instance,
            record.run,
            record.outcome,
        )
        runs.put_back.append(one)


def _read_plan(runs: Runs, made: PlanMade, records: Records) -> None:
    runs.times[made.run] = made.time
    kept: Counter[_KeepKey] = Counter()
    for record in records:
        match record:
            case KeptSeen():
                _note_kept(runs, record, made, kept)
            case ReturnedSeen():
                _note_returned(runs, record, made)
            case PlanEnded():
                _note_plan(runs, record, made)


def _note_kept(
    runs: Runs, record: KeptSeen, made: PlanMade, in_this_plan: Counter[_KeepKey]
) -> None:
    """Entries of one plan that are told apart by their line alone are one."""
    if runs.selection.reasons or not runs.selection.takes_study(record.study_uid):
        return
    store = made.stores[record.store]
    source, hold = record.source, record.hold
    key = (store, record.study_uid, record.series_uid, source.path, hold)
    before = runs.kept_by_key.get(key)
    instances, missing = record.instances, record.missing
    if before is not None and in_this_plan[key]:
        instances, missing = instances + before.instances, missing + before.missing
        source = before.source
    in_this_plan[key] += 1
    seen = record.time if instances else before.seen if before else None
    runs.kept_by_key[key] = LastSeen(
        store,
        record.study_uid,
        record.series_uid,
        source,
        hold,
        instances,
        missing,
        made.time,
        seen,
    )


def _note_returned(runs: Runs, record: ReturnedSeen, made: PlanMade) -> None:
    selection = runs.selection
    if selection.takes_study(record.instance.study_uid) and selection.takes_reason(record.code):
        store = made.stores[record.store]
        one = CameBack(
            record.time, store, record.instance, record.run, record.code, record.restored
        )
        runs.returned_by_key.setdefault((store, record.instance, record.run), one)


def _note_plan(runs: Runs, ended: PlanEnded, made: PlanMade) -> None:
    for store in made.stores:
        runs.latest_plan[store] = max(made.time, runs.latest_plan.get(store, made.time))
    files = [file.path for file in made.provenance.inputs if file.role is InputRole.SELECTED]
    if files:
        plan = Coverage(made.run, made.time, tuple(sorted(files)), ended.counts, 0)
        runs.planned[made.plan_id] = plan
    for gate in ended.gates:
        is_asked_for = runs.selection.is_by_run or (
            gate.study_uid is not None and gate.study_uid in runs.selection.studies
        )
        if not gate.is_open and is_asked_for:
            refusal = Refusal(
                made.run,
                made.time,
                made.stores[gate.store],
                gate.name,
                gate.actual,
                gate.allowed,
                gate.study_uid,
                made.provenance,
            )
            runs.refusals.append(refusal)


def _read_query(runs: Runs, started: QueryStarted, records: Records) -> None:
    runs.times[started.run] = started.time
    instances = problems = 0
    for record in records:
        if isinstance(record, Retrieved) and runs.selection.takes_study(record.instance.study_uid):
            problems += bool(record.problem)
            instances += not record.problem
    if not runs.selection.reasons and (instances or problems):
        read = ImagesRead(started.run, started.time, started.provenance, instances, problems)
        runs.images_read.append(read)


def _note_refusal(runs: Runs, done: NothingDone) -> None:
    runs.times[done.run] = done.time
    if done.exit_code == ExitCode.REFUSED and runs.selection.is_by_run:
        refused = RefusedApply(done.run, done.time, done.digest, done.detail, done.provenance)
        runs.refused_applies.append(refused)
