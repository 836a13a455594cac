"""The totals of an audit report, counted while the record is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from reconciler.audit.removals import OnProblem, removals
from reconciler.audit.verify import run_files
from reconciler.errors import JournalError
from reconciler.journal.reader import read_run
from reconciler.journal.readings import KeptSeen, PlanEnded, PlanMade
from reconciler.journal.records import Restored, RunStarted
from reconciler.model.audit import AuditReport, LastSeen, Refusal, Removal, Selection
from reconciler.model.outcome import Outcome
from reconciler.model.restore import RestoreOutcome

UNKNOWN = "unknown"


def make_report(state: Path, selection: Selection) -> AuditReport:
    """Read the whole record once.

    Raises:
        JournalError: the state folder itself cannot be read.
    """
    totals = _Totals(selection)
    paths = run_files(state)
    for path in paths:
        totals.add_run(path)
    for removal in removals(paths, selection, totals.problems.append):
        totals.add_removal(removal)
    return totals.finished()


def selected_removals(state: Path, selection: Selection) -> Iterator[Removal]:
    """The removals behind the totals, read anew; what cannot be read was told with them."""
    return removals(run_files(state), selection, _ignore)


def _ignore(_: str) -> None:
    """The report says it already."""


class _Totals:
    def __init__(self, selection: Selection) -> None:
        self.problems: list[str] = []
        self._selection = selection
        self._runs = 0
        self._times: list[datetime] = []
        self._planned: dict[str, int] = {}
        self._outcomes: Counter[Outcome] = Counter()
        self._restored: Counter[RestoreOutcome] = Counter()
        self._by: dict[str, Counter[str]] = {
            name: Counter() for name in ("reason", "store", "month", "actor")
        }
        self._refusals: list[Refusal] = []
        self._kept: dict[tuple[object, ...], LastSeen] = {}

    def add_run(self, path: Path) -> None:
        """Take what a run says beside its removals."""
        if self._selection.runs and path.stem not in self._selection.runs:
            return
        on_problem: OnProblem = self.problems.append
        try:
            self._add_records(path)
        except JournalError as error:
            if path.parent.name != "runs":  # those of removals are told when they are read
                on_problem(str(error))

    def _add_records(self, path: Path) -> None:
        started: RunStarted | PlanMade | None = None
        for record in read_run(path):
            match record:
                case RunStarted() | PlanMade():
                    if not self._selection.takes_time(record.time):
                        return
                    started = record
                    self._runs += 1
                    self._times.append(record.time)
                    if isinstance(record, RunStarted):
                        self._planned[record.plan_id] = record.planned
                        return  # the rest is removals
                case KeptSeen() if started is not None:
                    self._see(record, started)
                case PlanEnded() if started is not None:
                    self._refusals += _refusals(record, started)
                case Restored() if self._selection.takes_study(record.instance.study_uid):
                    self._restored[record.outcome] += 1

    def _see(self, seen: KeptSeen, started: RunStarted | PlanMade) -> None:
        if not self._selection.takes_study(seen.study_uid):
            return
        store = started.stores[seen.store]
        key = (store, seen.study_uid, seen.series_uid, seen.source.path)  # lines move
        entry = LastSeen(
            store,
            seen.study_uid,
            seen.series_uid,
            seen.source,
            seen.hold,
            seen.instances,
            seen.time,
        )
        if key not in self._kept or self._kept[key].time <= seen.time:
            self._kept[key] = entry

    def add_removal(self, removal: Removal) -> None:
        """Count one removal."""
        self._outcomes[removal.outcome] += 1
        if not removal.outcome.is_gone:
            return
        reason = removal.reason
        code = f"{reason.code.value} {reason.code.meaning}" if reason else UNKNOWN
        self._by["reason"][code] += 1
        self._by["store"][str(removal.store)] += 1
        self._by["month"][f"{removal.time:%Y-%m}"] += 1
        self._by["actor"][removal.actor or UNKNOWN] += 1

    def finished(self) -> AuditReport:
        return AuditReport(
            self._runs,
            min(self._times, default=None),
            max(self._times, default=None),
            sum(self._planned.values()),
            {outcome: self._outcomes[outcome] for outcome in Outcome},
            {outcome: self._restored[outcome] for outcome in RestoreOutcome},
            _sorted(self._by["reason"]),
            _sorted(self._by["store"]),
            _sorted(self._by["month"]),
            _sorted(self._by["actor"]),
            tuple(sorted(self._refusals, key=lambda one: (one.time, one.run))),
            tuple(self._kept[key] for key in sorted(self._kept, key=repr)),
            tuple(self.problems),
        )


def _sorted(counts: Mapping[str, int]) -> Mapping[str, int]:
    return dict(sorted(counts.items()))


def _refusals(ended: PlanEnded, made: RunStarted | PlanMade) -> Iterable[Refusal]:
    for gate in ended.gates:
        if not gate.is_open:
            yield Refusal(
                made.run,
                ended.time,
                made.stores[gate.store],
                gate.name,
                gate.actual,
                gate.allowed,
                gate.study_uid,
            )
