"""The totals of an audit report, counted while the record is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from reconciler.audit.selection import recorded_deletions
from reconciler.audit.verify import run_files
from reconciler.errors import JournalError
from reconciler.journal.folder import runs_folder
from reconciler.journal.latest import head_of
from reconciler.journal.reader import read_run
from reconciler.journal.readings import GateSeen, KeptSeen, PlanEnded, PlanMade
from reconciler.journal.records import Restored, RestoreStarted, RunStarted
from reconciler.model.audit import (
    AuditReport,
    ChangingRun,
    LastSeen,
    Reappearance,
    Refusal,
    Selection,
)
from reconciler.model.deletion import RecordedDeletion
from reconciler.model.gate import GateName
from reconciler.model.outcome import Outcome
from reconciler.model.restore import RestoreOutcome

UNKNOWN = "unknown"

_Started = RunStarted | RestoreStarted | PlanMade


def make_report(state: Path, selection: Selection) -> AuditReport:
    """Read the whole record once.

    Raises:
        UsageError: there is no such run.
        JournalError: the state folder itself cannot be read.
    """
    totals = _Totals(state, selection)
    deletions = recorded_deletions(state, selection, totals.add_problem)
    for path in run_files(state):
        totals.add_run(path)
    for deletion in deletions:
        totals.add_deletion(deletion)
    return totals.finished()


def selected_deletions(state: Path, selection: Selection) -> Iterator[RecordedDeletion]:
    """The deletions behind the totals, read anew; what cannot be read was told with them."""
    return recorded_deletions(state, selection, _ignore)


def _ignore(_: JournalError) -> None:
    """The report says it already."""


class _Totals:
    def __init__(self, state: Path, selection: Selection) -> None:
        self._state = state
        self._selection = selection
        self._problems: list[str] = []
        self._times: list[datetime] = []
        self._planned: dict[str, int] = {}
        self._changes: list[ChangingRun] = []
        self._outcomes: Counter[Outcome] = Counter()
        self._restored: Counter[RestoreOutcome] = Counter()
        self._reasons: dict[str, Counter[str]] = {}
        self._stores: Counter[str] = Counter()
        self._actors: Counter[str] = Counter()
        self._refusals: list[Refusal] = []
        self._reappeared: list[Reappearance] = []
        self._kept: dict[tuple[object, ...], LastSeen] = {}

    def add_problem(self, problem: JournalError) -> None:
        """Take what is missing in the report."""
        self._problems.append(str(problem))

    def add_run(self, path: Path) -> None:
        """Take what a run says beside its deletions."""
        if self._selection.runs and path.stem not in self._selection.runs:
            return
        try:
            self._add_records(path)
        except JournalError as error:
            if path.parent != runs_folder(self._state):  # those are told with the deletions
                self.add_problem(error)

    def _add_records(self, path: Path) -> None:
        records = iter(read_run(path))
        started = next(records, None)
        if not isinstance(started, _Started) or not self._selection.takes_time(started.time):
            return
        self._times.append(started.time)
        if not isinstance(started, PlanMade):
            self._changes.append(_change(started, head_of(path)))
        if isinstance(started, RunStarted):
            self._planned[started.plan_id] = started.planned
            return  # the rest is deletions
        for record in records:
            match record:
                case KeptSeen():
                    self._see(record, started)
                case PlanEnded():
                    for gate in record.gates:
                        self._add_gate(gate, record.time, started)
                case Restored() if self._selection.takes_study(record.instance.study_uid):
                    self._restored[record.outcome] += 1

    def _see(self, seen: KeptSeen, started: _Started) -> None:
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

    def _add_gate(self, gate: GateSeen, time: datetime, made: _Started) -> None:
        store = made.stores[gate.store]
        if gate.name is GateName.MAX_REAPPEARED and gate.actual:
            self._reappeared.append(Reappearance(made.run, time, store, gate.actual))
        if not gate.is_open:
            refusal = Refusal(
                made.run, time, store, gate.name, gate.actual, gate.allowed, gate.study_uid
            )
            self._refusals.append(refusal)

    def add_deletion(self, deletion: RecordedDeletion) -> None:
        """Count one deletion."""
        self._outcomes[deletion.outcome] += 1
        if not deletion.outcome.is_gone:
            return
        reason = deletion.reason
        code = f"{reason.code.value} {reason.code.meaning}" if reason else UNKNOWN
        self._reasons.setdefault(f"{deletion.time:%Y-%m}", Counter())[code] += 1
        self._stores[str(deletion.store)] += 1
        self._actors[deletion.attempted_by or UNKNOWN] += 1

    def finished(self) -> AuditReport:
        by_reason: Counter[str] = Counter()
        for counts in self._reasons.values():
            by_reason.update(counts)
        whole = not self._selection.studies and not self._selection.reasons
        return AuditReport(
            self._selection,
            len(self._times),
            min(self._times, default=None),
            max(self._times, default=None),
            sum(self._planned.values()) if whole else None,
            {outcome: self._outcomes[outcome] for outcome in Outcome},
            {outcome: self._restored[outcome] for outcome in RestoreOutcome},
            _sorted(by_reason),
            _sorted(self._stores),
            {month: _sorted(self._reasons[month]) for month in sorted(self._reasons)},
            _sorted(self._actors),
            tuple(sorted(self._changes, key=lambda one: (one.time, one.run))),
            tuple(sorted(self._refusals, key=lambda one: (one.time, one.run))),
            tuple(sorted(self._reappeared, key=lambda one: (one.time, one.run))),
            tuple(self._kept[key] for key in sorted(self._kept, key=repr)),
            tuple(self._problems),
        )


def _sorted(counts: Mapping[str, int]) -> Mapping[str, int]:
    return dict(sorted(counts.items()))


def _change(started: RunStarted | RestoreStarted, head: str | None) -> ChangingRun:
    digest = started.digest if isinstance(started, RunStarted) else None
    restores = started.restores if isinstance(started, RestoreStarted) else ()
    return ChangingRun(started.run, started.time, digest, restores, started.provenance, head)
