"""The deletions that a state folder has on record, one at a time and in the order of the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciler.audit.verify import chosen_files, run_files
from reconciler.errors import JournalError
from reconciler.journal.folder import run_file, runs_folder
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import Intent, Result, RunStarted, Settled, Verified
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.deletion import RecordedDeletion, RecordedRun
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome

OnProblem = Callable[[JournalError], None]

_Study = tuple[StoreAddress, str]
_NO_PROOF = "the record holds no proof after the last attempt"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which deletions are asked for; nothing given means all of them.

    ``since`` counts, ``until`` does not; both are times with an offset.
    """

    runs: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None

    def holds(self, time: datetime) -> bool:
        """Whether the time lies between the two."""
        return (self.since is None or self.since <= time) and (
            self.until is None or time < self.until
        )


def recorded_deletions(
    state: Path, selection: Selection, on_problem: OnProblem
) -> Iterator[RecordedDeletion]:
    """Read the runs that are asked for; memory holds only the attempts that are open.

    A run that cannot be read to its end is told to ``on_problem``; what was read of it counts, and
    so do the other runs.

    Raises:
        UsageError: there is no such run.
        JournalError: the state folder cannot be read.
    """
    files = [path for path in run_files(state) if path.parent == runs_folder(state)]
    for path in chosen_files(files, selection.runs) if selection.runs else files:
        for deletion in _Run(state, path, on_problem).deletions():
            if selection.holds(deletion.time):
                yield deletion


@dataclass(slots=True)
class _Attempt:
    """What is known of the attempts on one instance: the first intent, the last one, its answer."""

    first: Intent
    last: Intent
    result: Result | None = None


class _Run:
    """One run while it is read."""

    def __init__(self, state: Path, path: Path, on_problem: OnProblem) -> None:
        self._state = state
        self._path = path
        self._on_problem = on_problem
        self._open: dict[tuple[int, InstanceAddress], _Attempt] = {}
        self._emptied: frozenset[_Study] = frozenset()

    def deletions(self) -> Iterator[RecordedDeletion]:
        started: RunStarted | None = None
        try:
            for record in RunRecords(self._path):
                match record:
                    case RunStarted():
                        started = record
                        self._emptied = _emptied_studies(self._state, started)
                    case Intent():
                        self._attempted(record)
                    case Result():
                        self._answered(record)
                    case Verified() if started is not None:
                        yield self._proven(started, record)
                    case Settled() if started is not None:
                        yield self._settled(started, record)
        except JournalError as error:
            self._on_problem(error)
        if started is not None:
            yield from self._unproven(started)

    def _attempted(self, intent: Intent) -> None:
        known = self._open.setdefault((intent.store, intent.instance), _Attempt(intent, intent))
        known.last, known.result = intent, None

    def _answered(self, result: Result) -> None:
        known = self._open.get((result.store, result.instance))
        if known is not None:
            known.result = result

    def _proven(self, started: RunStarted, proof: Verified) -> RecordedDeletion:
        attempt = self._open.pop((proof.store, proof.instance), None)
        result = attempt.result if attempt else None
        store = started.stores[proof.store]
        return RecordedDeletion(
            _about(started),
            proof.time,
            store,
            proof.instance,
            proof.outcome,
            proof.detail,
            attempts=attempt.last.attempt if attempt else 0,
            status=result.status if result else None,
            request_id=result.request_id if result else None,
            source=attempt.first.source if attempt else None,
            reason=attempt.first.reason if attempt else None,
            empties_study=(store, proof.instance.study_uid) in self._emptied,
        )

    def _unproven(self, started: RunStarted) -> Iterator[RecordedDeletion]:
        for (index, instance), attempt in list(self._open.items()):
            time = attempt.last.time
            unseen = Verified(
                time, index, instance, Presence.UNKNOWN, Outcome.UNCONFIRMED, _NO_PROOF
            )
            yield self._proven(started, unseen)

    def _settled(self, started: RunStarted, settled: Settled) -> RecordedDeletion:
        return RecordedDeletion(
            _about(started),
            settled.time,
            settled.store,
            settled.instance,
            settled.outcome,
            settled.detail,
            settles=settled.run,
            empties_study=settled.run in started.resumes
            and (settled.store, settled.instance.study_uid) in self._emptied,
        )


def _about(started: RunStarted) -> RecordedRun:
    return RecordedRun(
        started.run,
        started.tool_version,
        started.plan_id,
        started.digest,
        started.endpoint,
        started.provenance,
    )


def _emptied_studies(state: Path, started: RunStarted) -> frozenset[_Study]:
    """The studies that the plan empties and of which every deletion is proven by this run's end.

    What an earlier run of the plan has proven is not attempted again, so proofs add up. None where
    one of the runs cannot be read: then nothing is known of all.
    """
    wanted = {(started.stores[one.store], one.study_uid): one for one in started.emptied}
    if not wanted:
        return frozenset()
    proven: Counter[_Study] = Counter()
    try:
        for run in (*started.resumes, started.run):
            proven.update(
                study for study in _gone(run_file(state, run), started) if study in wanted
            )
    except JournalError:
        return frozenset()
    return frozenset(study for study, one in wanted.items() if proven[study] == one.deletions)


def _gone(path: Path, plan: RunStarted) -> Iterator[_Study]:
    """The study of each instance that a run of the plan proves to be gone."""
    stores: Mapping[int, StoreAddress] = {}
    for record in RunRecords(path):
        match record:
            case RunStarted():
                stores = dict(enumerate(record.stores))
            case Verified() if record.outcome.is_gone:
                yield stores[record.store], record.instance.study_uid
            case Settled() if record.outcome.is_gone and record.run in plan.resumes:
                yield record.store, record.instance.study_uid
