"""The deletions that a state folder has on record, one at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import missing_run
from reconciler.errors import BrokenJournal, JournalError
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import (
    Archived,
    Intent,
    Record,
    Restored,
    RestoreStarted,
    Result,
    RunStarted,
    Settled,
    StudyPatient,
    Verified,
)
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.audit import Selection
from reconciler.model.deletion import Answer, ArchivedCopy, RecordedDeletion, RecordedRun
from reconciler.model.outcome import Outcome
from reconciler.model.provenance import Provenance

OnProblem = Callable[[JournalError], None]

_Study = tuple[StoreAddress, str]
_Restores = Mapping[tuple[StoreAddress, InstanceAddress], list[tuple[datetime, str]]]
"""When an instance was put back, and by which runs; in the order of the record."""

_NO_PROOF = "the record holds no proof after the last attempt"


def recorded_deletions(
    snapshot: Snapshot, selection: Selection, on_problem: OnProblem
) -> Iterator[RecordedDeletion]:
    """Read every run and give what is asked for.

    Memory holds only the attempts that are open, what was restored, the pseudonyms of one run's
    patients, and how much is missing to the studies that plans empty.

    They come in the order of the record. An attempt that its run left without a proof is told with
    the proof of the run that settled it; where none did, it comes last and is unconfirmed. A run
    that cannot be read to its end is told to ``on_problem``, and so is one that another names and
    that is not there; what was read counts, and so do the other runs.

    Raises:
        UsageError: there is no such run.
        JournalError: the order of the runs contradicts itself.
    """
    snapshot.chosen(sorted(selection.runs))
    changing = [snapshot.records(path) for path in snapshot.changing()]
    named = {
        start.started.previous_head: path
        for path, start in snapshot.starts.items()
        if start.started.previous_head is not None
    }
    deletions = _Deletions(_restores(changing), named, on_problem)
    return filter(selection.takes, deletions.of(changing))


def _restores(runs: Iterable[RunRecords]) -> _Restores:
    """What was put back and proven; what cannot be read is told when deletions are."""
    restores: dict[tuple[StoreAddress, InstanceAddress], list[tuple[datetime, str]]] = {}
    for run in runs:
        records = iter(run)
        try:
            started = next(records, None)
            if not isinstance(started, RestoreStarted):
                continue
            for record in records:
                if isinstance(record, Restored) and record.outcome.is_restored:
                    key = (started.stores[record.store], record.instance)
                    restores.setdefault(key, []).append((record.time, started.run))
        except JournalError:
            continue
    return restores


@dataclass(slots=True)
class _Attempt:
    """What is known of the attempts on one instance: first and last intent, the answers."""

    run: RecordedRun
    store: StoreAddress
    first: Intent
    last: Intent
    answers: list[Answer] = field(default_factory=list)
    copy: ArchivedCopy | None = None


_Key = tuple[str, StoreAddress, InstanceAddress]
"""The run that made an attempt, and on what."""


class _Deletions:
    """The deletions of the runs that are read, one after the other."""

    def __init__(self, restores: _Restores, named: dict[str, Path], on_problem: OnProblem) -> None:
        self._restores = restores
        self._named = named
        self._study_restores: dict[_Study, list[datetime]] = {}
        for (store, instance), backs in restores.items():
            times = self._study_restores.setdefault((store, instance.study_uid), [])
            times += [time for time, _ in backs]
        self._on_problem = on_problem
        self._open: dict[_Key, _Attempt] = {}
        self._patients: dict[_Study, str | None] = {}
        self._plans: dict[str, datetime] = {}
        self._missing_to_empty: dict[tuple[str, _Study], int] = {}

    def of(self, runs: Iterable[RunRecords]) -> Iterator[RecordedDeletion]:
        for run in runs:
            try:
                yield from self._of_run(run)
            except JournalError as error:
                self._on_problem(error)
            self._forget_patients()
        for head, path in self._named.items():
            self._on_problem(JournalError(f"{path}:1: {missing_run(head)}"))
        for attempt in self._open.values():
            yield self._unproven(attempt)

    def _forget_patients(self) -> None:
        """Keep those of open attempts; of any other study that is removed from, a run says anew."""
        needed = {(store, instance.study_uid) for _, store, instance in self._open}
        self._patients = {
            study: patient for study, patient in self._patients.items() if study in needed
        }

    def _linked(self, run: RunRecords) -> Iterator[Record]:
        """The records of a run; a hash of it that another run names is there."""
        for record in run:
            self._named.pop(run.head or "", None)
            yield record

    def _of_run(self, run: RunRecords) -> Iterator[RecordedDeletion]:
        records = self._linked(run)
        started = next(records, None)
        if isinstance(started, RunStarted):
            yield from self._of_apply(started, records)
        elif isinstance(started, RestoreStarted):
            deque(records, maxlen=0)  # it holds no deletions, or it is broken
        elif started is not None:
            raise BrokenJournal(f"{run.path}:1", "it lies among deletions, and tells of none")

    def _of_apply(
        self, started: RunStarted, records: Iterator[Record]
    ) -> Iterator[RecordedDeletion]:
        run, stores = _about(started), started.stores
        self._begin(started)
        del started  # a plan that empties many studies names them all there
        for record in records:
            match record:
                case Verified():
                    yield self._proven(run, run.run, stores[record.store], record)
                case Settled():
                    yield self._proven(run, record.run, record.store, record)
                case Intent() | Archived() | Result():
                    self._add_to_attempt(record, run, stores[record.store])
                case StudyPatient():
                    self._patients[stores[record.store], record.study_uid] = record.patient

    def _begin(self, started: RunStarted) -> None:
        """Note what the run's plan empties; an earlier run of it may have done a part."""
        if started.plan_id in self._plans:
            return
        self._plans[started.plan_id] = started.time
        for one in started.emptied:
            study = (started.stores[one.store], one.study_uid)
            self._missing_to_empty[started.plan_id, study] = one.deletions

    def _add_to_attempt(
        self, record: Intent | Archived | Result, run: RecordedRun, store: StoreAddress
    ) -> None:
        key = (run.run, store, record.instance)
        if isinstance(record, Intent):
            attempt = self._open.setdefault(key, _Attempt(run, store, record, record))
            attempt.last = record
        elif key in self._open:
            if isinstance(record, Result):
                self._open[key].answers.append(Answer(record.status, record.request_id))
            else:
                self._open[key].copy = _copy(run.run, record)

    def _proven(
        self, run: RecordedRun, sender: str, store: StoreAddress, proof: Verified | Settled
    ) -> RecordedDeletion:
        attempt = self._open.pop((sender, store, proof.instance), None)
        study = (store, proof.instance.study_uid)
        is_gone = proof.outcome.is_gone
        return RecordedDeletion(
            attempt.run if attempt else _run_not_there(sender, run),
            proof.time,
            store,
            proof.instance,
            proof.outcome,
            proof.presence,
            proof.detail,
            attempts=attempt.last.attempt if attempt else 0,
            answers=tuple(attempt.answers) if attempt else (),
            source=attempt.first.source if attempt else None,
            reason=attempt.first.reason if attempt else None,
            settled_by=run.run if sender != run.run else None,
            copy=attempt.copy if attempt else None,
            patient=self._patients.get(study),
            empties_study=is_gone and self._is_last(attempt, study, proof.time),
            restored_by=self._restored_by(store, proof) if is_gone else None,
        )

    def _is_last(self, attempt: _Attempt | None, study: _Study, time: datetime) -> bool:
        """Whether, with one more proof, every deletion that empties the study is proven.

        Not where something of the study was put back meanwhile.
        """
        key = (attempt.run.plan_id if attempt else "", study)
        left = self._missing_to_empty.pop(key, 0) - 1
        if left > 0:
            self._missing_to_empty[key] = left
        if left != 0 or attempt is None:
            return False
        began = self._plans[attempt.run.plan_id]
        return not any(began < back < time for back in self._study_restores.get(study, ()))

    def _restored_by(self, store: StoreAddress, proof: Verified | Settled) -> str | None:
        later = self._restores.get((store, proof.instance), ())
        return next((run for time, run in later if time > proof.time), None)

    def _unproven(self, attempt: _Attempt) -> RecordedDeletion:
        return RecordedDeletion(
            attempt.run,
            attempt.last.time,
            attempt.store,
            attempt.last.instance,
            Outcome.UNCONFIRMED,
            None,
            _NO_PROOF,
            attempts=attempt.last.attempt,
            answers=tuple(attempt.answers),
            source=attempt.first.source,
            reason=attempt.first.reason,
            copy=attempt.copy,
            patient=self._patients.get((attempt.store, attempt.last.instance.study_uid)),
        )


def _run_not_there(run: str, settler: RecordedRun) -> RecordedRun:
    """The run that sent a DELETE, where its file is gone and only the proof is there."""
    return replace(settler, run=run, plan_id="", digest="", provenance=Provenance())


def _copy(run: str, archived: Archived) -> ArchivedCopy:
    return ArchivedCopy(Path(archived.archive) / run / archived.path, archived.sha256)


def _about(started: RunStarted) -> RecordedRun:
    return RecordedRun(
        started.run,
        started.tool_version,
        started.plan_id,
        started.digest,
        started.endpoint,
        started.provenance,
    )
