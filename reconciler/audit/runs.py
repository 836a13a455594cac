"""What the runs of a record say of themselves, beside their deletions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from reconciler.audit.plans import Plans
from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import Checked
from reconciler.errors import ExitCode, JournalError
from reconciler.journal.read_only import NothingDone, PlanMade, QueryStarted, Retrieved
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import (
    EmptiedStudy,
    FirstRecord,
    LeftDangling,
    Record,
    Restored,
    RestoreStarted,
    RunEnded,
    RunStarted,
)
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.audit import (
    ChangingRun,
    DanglingOnRecord,
    ImagesRead,
    PutBack,
    RefusedApply,
    Selection,
)


class Runs:
    """All runs of a record; of those that changed no store, and of instances, what is selected.

    ``times`` are the times of their starts, ``changes`` the applies and restores in the order in
    which they happened.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self.times: dict[str, datetime] = {}
        self.changes: list[ChangingRun] = []
        self.plans = Plans(selection)
        self.put_back: list[PutBack] = []
        self.refused_applies: list[RefusedApply] = []
        self.refused_plans: set[str] = set()
        self.images_read: list[ImagesRead] = []
        self._dangling: dict[tuple[str, StoreAddress, InstanceAddress], DanglingOnRecord] = {}

    def add(self, started: FirstRecord, records: Iterable[Record], checked: Checked) -> None:
        """Take one run; ``records`` are those after its first.

        Of an apply only the first are read: its last one was met by the check.
        """
        match started:
            case RunStarted():
                self.changes.append(_changing_run(started, checked))
                self._add_dangling(started, records)
            case RestoreStarted():
                self.changes.append(_changing_run(started, checked))
                self.put_back += filter(self._takes, _put_back(started, records))
            case _ if not self._selection.takes_run(started.run, started.time):
                return
            case PlanMade():
                self.plans.add(started, records)
            case QueryStarted():
                self._add_query(started, records)
            case NothingDone():
                self._add_refusal(started)
        self.times[started.run] = started.time

    def left_dangling(self) -> tuple[DanglingOnRecord, ...]:
        """What each plan that was applied left dangling, by time."""
        found = self._dangling.values()
        return tuple(sorted(found, key=lambda one: (one.time, one.run, one.store, one.instance)))

    def _add_dangling(self, started: RunStarted, records: Iterable[Record]) -> None:
        """An apply that resumes another records the same again."""
        selection = self._selection
        if selection.reasons or not selection.takes_run(started.run, started.time):
            return
        for record in records:
            match record:
                case EmptiedStudy():
                    continue
                case LeftDangling(instance=instance):
                    store = started.stores[record.store]
                    key = started.plan_id, store, instance
                    if selection.takes_study(instance.study_uid):
                        self._dangling.setdefault(key, _dangling(started, record))
                case _:
                    return

    def _takes(self, one: PutBack) -> bool:
        return (
            self._selection.takes_run(one.run, one.time)
            and self._selection.takes_study(one.instance.study_uid)
            and self._selection.takes_reason(one.reason.code)
        )

    def _add_query(self, started: QueryStarted, records: Iterable[Record]) -> None:
        read = [
            not record.problem
            for record in records
            if isinstance(record, Retrieved)
            and self._selection.takes_study(record.instance.study_uid)
        ]
        if read and not self._selection.reasons:
            came = sum(read)
            self.images_read.append(
                ImagesRead(started.run, started.time, started.provenance, came, len(read) - came)
            )

    def _add_refusal(self, done: NothingDone) -> None:
        is_refused = done.command == "apply" and done.exit_code == ExitCode.REFUSED
        if is_refused and done.plan_id:
            self.refused_plans.add(done.plan_id)
        if is_refused and self._selection.is_by_run:
            self.refused_applies.append(
                RefusedApply(done.run, done.time, done.digest, done.detail, done.provenance)
            )


def read_runs(snapshot: Snapshot, selection: Selection, checked: Checked) -> Runs:
    """Read what is not about deletions; the check has reported what cannot be read.

    Raises:
        JournalError: the order of the runs contradicts itself.
    """
    runs = Runs(selection)
    for file in (*snapshot.changing, *snapshot.observations):
        records = iter(RunRecords(file))
        try:
            started = next(records, None)
            if isinstance(started, FirstRecord):
                runs.add(started, records, checked)
        except JournalError:
            continue
    return runs


def _changing_run(started: RunStarted | RestoreStarted, checked: Checked) -> ChangingRun:
    run = ChangingRun(
        started.run,
        started.time,
        started.digest if isinstance(started, RunStarted) else None,
        started.restores if isinstance(started, RestoreStarted) else (),
        started.provenance,
        checked.heads.get(started.run),
        started.planned,
    )
    match checked.ends.get(started.run):
        case RunEnded() as ended:
            return replace(
                run,
                state=ended.state,
                counts={one.value: count for one, count in ended.counts.items()},
                stopped_because=ended.stopped_because,
            )
    return run


def _dangling(started: RunStarted, record: LeftDangling) -> DanglingOnRecord:
    return DanglingOnRecord(
        started.run,
        started.time,
        started.digest,
        started.stores[record.store],
        record.instance,
        record.kept_by,
        record.instances,
        record.series,
        started.provenance,
    )


def _put_back(started: RestoreStarted, records: Iterable[Record]) -> Iterable[PutBack]:
    for record in records:
        if isinstance(record, Restored):
            yield PutBack(
                started.run,
                record.time,
                started.stores[record.store],
                record.instance,
                record.run,
                record.outcome,
                record.reason,
            )
