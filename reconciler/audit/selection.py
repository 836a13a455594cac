"""The deletions that a state folder has on record, one at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.audit.verify import chosen_files, run_files
from reconciler.errors import JournalError
from reconciler.journal.folder import run_file, runs_folder
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import (
    Archived,
    Intent,
    Result,
    RunStarted,
    Settled,
    StudyPatient,
    Verified,
)
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.audit import Selection
from reconciler.model.deletion import ArchivedCopy, RecordedDeletion, RecordedRun
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome

OnProblem = Callable[[JournalError], None]

_Study = tuple[StoreAddress, str]
_NO_PROOF = "the record holds no proof after the last attempt"


def recorded_deletions(
    state: Path, selection: Selection, on_problem: OnProblem, *, find_emptied: bool = False
) -> Iterator[RecordedDeletion]:
    """Read every run and give what is asked for.

    Memory holds only the attempts that are open, and the pseudonyms of one run's patients.

    They come in the order of the record. An attempt that its run left without a proof is told with
    the proof of the run that settled it; where none did, it comes last and is unconfirmed. A run
    that cannot be read to its end is told to ``on_problem``; what was read of it counts, and so do
    the other runs. ``empties_study`` is told only with ``find_emptied``, which reads the runs that
    may have emptied a study a second time.

    Raises:
        UsageError: there is no such run.
        JournalError: the state folder cannot be read.
    """
    files = run_files(state)
    chosen_files(files, sorted(selection.runs))
    deletions = _Deletions(state, on_problem, find_emptied=find_emptied)
    return filter(
        selection.takes,
        deletions.of(path for path in files if path.parent == runs_folder(state)),
    )


@dataclass(slots=True)
class _Attempt:
    """What is known of the attempts on one instance: the first intent, the last one, its answer."""

    run: RecordedRun
    store: StoreAddress
    first: Intent
    last: Intent
    result: Result | None = None
    copy: ArchivedCopy | None = None


_Key = tuple[str, StoreAddress, InstanceAddress]
"""The run that made an attempt, and on what."""


class _Deletions:
    """The deletions of the runs that are read, one after the other."""

    def __init__(self, state: Path, on_problem: OnProblem, *, find_emptied: bool) -> None:
        self._state = state
        self._on_problem = on_problem
        self._find_emptied = find_emptied
        self._open: dict[_Key, _Attempt] = {}
        self._patients: dict[_Study, str | None] = {}

    def of(self, paths: Iterator[Path]) -> Iterator[RecordedDeletion]:
        for path in paths:
            try:
                yield from self._of_run(path)
            except JournalError as error:
                self._on_problem(error)
            self._forget_patients()
        for attempt in self._open.values():
            yield self._unproven(attempt)

    def _forget_patients(self) -> None:
        """Keep those of open attempts; of any other study that is removed from, a run says anew."""
        needed = {(store, instance.study_uid) for _, store, instance in self._open}
        self._patients = {
            study: patient for study, patient in self._patients.items() if study in needed
        }

    def _of_run(self, path: Path) -> Iterator[RecordedDeletion]:
        records = iter(RunRecords(path))
        started = next(records, None)
        if not isinstance(started, RunStarted):
            return
        run = _about(started)
        stores = started.stores
        emptied = _emptied_studies(self._state, started) if self._find_emptied else frozenset()
        for record in records:
            match record:
                case Verified():
                    store = stores[record.store]
                    is_last = (store, record.instance.study_uid) in emptied
                    yield self._proven(run, run.run, store, record, empties_study=is_last)
                case Settled():
                    is_last = (
                        record.run in started.resumes
                        and (record.store, record.instance.study_uid) in emptied
                    )
                    yield self._proven(run, record.run, record.store, record, empties_study=is_last)
                case Intent() | Archived() | Result():
                    self._add_to_attempt(record, run, stores[record.store])
                case StudyPatient():
                    self._patients[stores[record.store], record.study_uid] = record.patient

    def _add_to_attempt(
        self, record: Intent | Archived | Result, run: RecordedRun, store: StoreAddress
    ) -> None:
        key = (run.run, store, record.instance)
        if isinstance(record, Intent):
            attempt = self._open.setdefault(key, _Attempt(run, store, record, record))
            attempt.last, attempt.result = record, None
        elif key in self._open:
            if isinstance(record, Result):
                self._open[key].result = record
            else:
                self._open[key].copy = _copy(run.run, record)

    def _proven(
        self,
        run: RecordedRun,
        attempted_in: str,
        store: StoreAddress,
        proof: Verified | Settled,
        *,
        empties_study: bool,
    ) -> RecordedDeletion:
        attempt = self._open.pop((attempted_in, store, proof.instance), None)
        result = attempt.result if attempt else None
        return RecordedDeletion(
            run,
            proof.time,
            store,
            proof.instance,
            proof.outcome,
            proof.presence,
            proof.detail,
            attempts=attempt.last.attempt if attempt else 0,
            status=result.status if result else None,
            request_id=result.request_id if result else None,
            source=attempt.first.source if attempt else None,
            reason=attempt.first.reason if attempt else None,
            attempted_by=attempt.run.provenance.actor if attempt else None,
            settles=attempted_in if attempted_in != run.run else None,
            copy=attempt.copy if attempt else None,
            patient=self._patients.get((store, proof.instance.study_uid)),
            empties_study=empties_study,
        )

    def _unproven(self, attempt: _Attempt) -> RecordedDeletion:
        return RecordedDeletion(
            attempt.run,
            attempt.last.time,
            attempt.store,
            attempt.last.instance,
            Outcome.UNCONFIRMED,
            Presence.UNKNOWN,
            _NO_PROOF,
            attempts=attempt.last.attempt,
            status=attempt.result.status if attempt.result else None,
            request_id=attempt.result.request_id if attempt.result else None,
            source=attempt.first.source,
            reason=attempt.first.reason,
            attempted_by=attempt.run.provenance.actor,
            copy=attempt.copy,
            patient=self._patients.get((attempt.store, attempt.last.instance.study_uid)),
        )


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
