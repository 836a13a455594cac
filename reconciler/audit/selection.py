"""The deletions that a state folder has on record, one at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
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

_Store = tuple[str, StoreAddress]
"""A store and the service that was asked for it: two services may use one resource name."""
_Instance = tuple[_Store, InstanceAddress]
_Study = tuple[_Store, str]
_Restores = Mapping[_Instance, list[tuple[int, str]]]
"""By which runs an instance was put back, with their places in the order of the runs."""

_NO_PROOF = "the record holds no proof after the last attempt"


def recorded_deletions(
    snapshot: Snapshot, selection: Selection, on_problem: OnProblem
) -> Iterator[RecordedDeletion]:
    """Read every run and give what is asked for.

    Memory holds only the attempts that are open, what was restored, the pseudonyms of one run's
    patients, and how much is missing to the studies that plans empty.

    They come in the order of the record. An attempt that its run left without a proof is told with
    the proof of the run that settled it, or of a later run of the same plan that went on with it;
    where there is none, it comes last and is unconfirmed. A run
    that cannot be read to its end is told to ``on_problem``, and so is one that another names and
    that is not there; what was read counts, and so do the other runs.

    Raises:
        UsageError: there is no such run.
        JournalError: the order of the runs contradicts itself.
    """
    snapshot.chosen(sorted(selection.runs))
    changing = [snapshot.records(path) for path in snapshot.changing]
    named = {
        first.previous_head: path
        for path, first in snapshot.starts.items()
        if isinstance(first, RunStarted | RestoreStarted) and first.previous_head is not None
    }
    deletions = _Deletions(_restores(changing), named, on_problem)
    return filter(selection.takes, deletions.of(changing))


def _restores(runs: Iterable[RunRecords]) -> _Restores:
    """What was put back and proven; what cannot be read is told when deletions are."""
    restores: dict[_Instance, list[tuple[int, str]]] = {}
    for place, run in enumerate(runs):
        records = iter(run)
        try:
            started = next(records, None)
            if not isinstance(started, RestoreStarted):
                continue
            for record in records:
                if isinstance(record, Restored) and record.outcome.is_restored:
                    store = (started.endpoint, started.stores[record.store])
                    restores.setdefault((store, record.instance), []).append((place, started.run))
        except JournalError:
            continue
    return restores


@dataclass(slots=True)
class _Attempt:
    """What is known of a run's attempts on one instance: first and last intent, the answers.

    ``before`` is how many attempts of earlier runs of the plan are among the answers.
    """

    run: RecordedRun
    store: _Store
    first: Intent
    last: Intent
    before: int = 0
    answers: list[Answer] = field(default_factory=list)
    copy: ArchivedCopy | None = None


class _Deletions:
    """The deletions of the runs that are read, one after the other.

    Attempts are open by instance, and there by the run that made them, the earliest first.
    """

    def __init__(self, restores: _Restores, named: dict[str, Path], on_problem: OnProblem) -> None:
        self._restores = restores
        self._study_restores: dict[_Study, list[int]] = {}
        for (store, instance), backs in restores.items():
            places = self._study_restores.setdefault((store, instance.study_uid), [])
            places += [place for place, _ in backs]
        self._named = named
        self._on_problem = on_problem
        self._place = 0
        self._open: dict[_Instance, dict[str, _Attempt]] = {}
        self._gone_on_with: set[tuple[str, _Instance]] = set()
        self._patients: dict[_Study, str | None] = {}
        self._plans: dict[str, int] = {}
        self._missing_to_empty: dict[tuple[str, _Study], int] = {}

    def of(self, runs: Iterable[RunRecords]) -> Iterator[RecordedDeletion]:
        for place, run in enumerate(runs):
            self._place = place
            try:
                yield from self._of_run(run)
            except JournalError as error:
                self._on_problem(error)
            self._forget_patients()
        for head, path in self._named.items():
            self._on_problem(JournalError(f"{path}:1: {missing_run(head)}"))
        for attempts in self._open.values():
            yield from map(self._unproven, attempts.values())

    def _forget_patients(self) -> None:
        """Keep those of open attempts; of any other study that is removed from, a run says anew."""
        needed = {(store, instance.study_uid) for store, instance in self._open}
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
        run = _about(started)
        stores: list[_Store] = [(started.endpoint, store) for store in started.stores]
        self._begin(started, stores)
        del started  # a plan that empties many studies names them all there
        for record in records:
            match record:
                case Verified():
                    instance = (stores[record.store], record.instance)
                    yield from self._superseded(run, instance, record.outcome)
                    yield self._proven(run, run.run, instance, record)
                case Settled():
                    instance = ((run.endpoint, record.store), record.instance)
                    if (record.run, instance) not in self._gone_on_with:
                        yield self._proven(run, record.run, instance, record)
                case Intent() | Archived() | Result():
                    self._add_to_attempt(record, run, stores[record.store])
                case StudyPatient():
                    self._patients[stores[record.store], record.study_uid] = record.patient

    def _begin(self, started: RunStarted, stores: list[_Store]) -> None:
        """Note what the run's plan empties; an earlier run of it may have done a part."""
        if started.plan_id in self._plans:
            return
        self._plans[started.plan_id] = self._place
        for one in started.emptied:
            study = (stores[one.store], one.study_uid)
            self._missing_to_empty[started.plan_id, study] = one.deletions

    def _add_to_attempt(
        self, record: Intent | Archived | Result, run: RecordedRun, store: _Store
    ) -> None:
        attempts = self._open.setdefault((store, record.instance), {})
        if isinstance(record, Intent):
            attempt = attempts.setdefault(run.run, _Attempt(run, store, record, record))
            attempt.last = record
        elif run.run in attempts:
            if isinstance(record, Result):
                attempts[run.run].answers.append(Answer(record.status, record.request_id))
            else:
                attempts[run.run].copy = _copy(run.run, record)

    def _superseded(
        self, run: RecordedRun, instance: _Instance, outcome: Outcome
    ) -> Iterator[RecordedDeletion]:
        """What earlier runs left open of an instance that this run proves to be gone.

        Of the same plan it is one deletion with that of this run; of another it is told before.
        """
        attempts = self._open.get(instance, {})
        if not outcome.is_gone:
            return
        for earlier in [one for one in attempts if one != run.run]:
            attempt = attempts.pop(earlier)
            self._gone_on_with.add((earlier, instance))
            own = attempts.get(run.run)
            if own is not None and attempt.run.plan_id == run.plan_id:
                own.answers[:0] = attempt.answers
                own.before += attempt.before + attempt.last.attempt
                own.first = attempt.first
            else:
                yield self._unproven(attempt)

    def _proven(
        self, run: RecordedRun, sender: str, instance: _Instance, proof: Verified | Settled
    ) -> RecordedDeletion:
        attempts = self._open.get(instance, {})
        attempt = attempts.pop(sender, None)
        if not attempts:
            self._open.pop(instance, None)
        store, address = instance
        study = (store, address.study_uid)
        is_gone = proof.outcome.is_gone
        return RecordedDeletion(
            attempt.run if attempt else _run_not_there(sender, run),
            proof.time,
            store[1],
            address,
            proof.outcome,
            proof.presence,
            proof.detail,
            attempts=attempt.before + attempt.last.attempt if attempt else 0,
            answers=tuple(attempt.answers) if attempt else (),
            source=attempt.first.source if attempt else None,
            reason=attempt.first.reason if attempt else None,
            settled_by=run.run if sender != run.run else None,
            copy=attempt.copy if attempt else None,
            patient=self._patients.get(study),
            empties_study=is_gone and self._is_last(attempt, study),
            restored_by=self._restored_by(instance) if is_gone else None,
        )

    def _is_last(self, attempt: _Attempt | None, study: _Study) -> bool:
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
        return not any(began < back < self._place for back in self._study_restores.get(study, ()))

    def _restored_by(self, instance: _Instance) -> str | None:
        later = self._restores.get(instance, ())
        return next((run for place, run in later if place > self._place), None)

    def _unproven(self, attempt: _Attempt) -> RecordedDeletion:
        return RecordedDeletion(
            attempt.run,
            attempt.last.time,
            attempt.store[1],
            attempt.last.instance,
            Outcome.UNCONFIRMED,
            None,
            _NO_PROOF,
            attempts=attempt.before + attempt.last.attempt,
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
