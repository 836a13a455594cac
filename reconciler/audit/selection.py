"""The deletions that a state folder has on record: the fold, dressed and filtered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypedDict

from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import missing_run
from reconciler.errors import JournalError
from reconciler.journal.fold import Attempt, Emptying, Fold, Proof, RestoreDone, Run
from reconciler.journal.log import require_as_logged
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import (
    Archived,
    RestoreStarted,
    RunStarted,
    Settled,
    Verified,
)
from reconciler.journal.state import RUNS
from reconciler.model.address import InstanceAddress
from reconciler.model.audit import Selection
from reconciler.model.deletion import ArchivedCopy, RecordedDeletion, RecordedReply, RecordedRun
from reconciler.model.outcome import Outcome
from reconciler.model.provenance import Provenance
from reconciler.model.service import Store

OnProblem = Callable[[JournalError], None]

_Instance = tuple[Store, InstanceAddress]
_Study = tuple[Store, str]
_Restores = Mapping[_Instance, list[Run]]
"""By which runs an instance was put back, in their order."""

_NO_PROOF = "no proof is on record after the last attempt"


def recorded_deletions(
    snapshot: Snapshot, selection: Selection, on_problem: OnProblem
) -> Iterator[RecordedDeletion]:
    """Read every run and give what is asked for.

    Memory holds only the log, the attempts that are open or failed, what was restored, and how much
    is missing to the studies that plans empty.

    They come in the order of their proofs. An attempt that its run left without a proof has
    the proof of the run that settled it, or of a later run of the same plan that went on with
    it; where there is none, it comes last and is unconfirmed. A run that cannot be read to its end
    is passed to ``on_problem``, and so is one that another names and that is not there; what was
    read counts, and so do the other runs.

    Raises:
        UsageError: there is no such run.
        JournalError: the order of the runs contradicts itself.
    """
    selected = snapshot.selected(selection)
    deletions = _Deletions(_restores(snapshot), on_problem)
    return filter(selected.takes, deletions.of(snapshot))


def _restores(snapshot: Snapshot) -> _Restores:
    """What was put back and proven; what cannot be read is reported with the deletions."""
    restores: dict[_Instance, list[Run]] = {}
    fold = Fold(file.name for file in snapshot.changing)
    for file in snapshot.changing:
        if not isinstance(snapshot.starts.get(file), RestoreStarted):
            continue
        try:
            for event in fold.add(RunRecords(file)):
                if isinstance(event, RestoreDone) and event.record.outcome.is_restored:
                    key = (event.store, event.record.instance)
                    restores.setdefault(key, []).append(event.run)
        except JournalError:
            continue
    return restores


class _ToEmpty(NamedTuple):
    """How many deletions empty a study, and the hashes of the instances that are gone so far."""

    deletions: int
    gone: set[int]


class _Deletions:
    """The deletions of the runs that are read, one after the other."""

    def __init__(self, restores: _Restores, on_problem: OnProblem) -> None:
        self._restores = restores
        self._study_restores: dict[_Study, list[Run]] = {}
        for (store, instance), backs in restores.items():
            self._study_restores.setdefault((store, instance.study_uid), []).extend(backs)
        self._on_problem = on_problem
        self._plans: dict[str, int] = {}
        self._to_empty: dict[tuple[str, _Study], _ToEmpty] = {}

    def of(self, snapshot: Snapshot) -> Iterator[RecordedDeletion]:
        fold = Fold(file.name for file in snapshot.changing)
        logged = {one.entry.run: one.entry for one in snapshot.logs[RUNS]}
        for file in snapshot.changing:
            entry = logged.get(file.name)
            records = RunRecords(file, measures=entry is not None)
            try:
                for event in fold.add(records):
                    if isinstance(event, Emptying):
                        self._add_emptying(event)
                    elif isinstance(event, Proof):
                        yield self._proven(event)
                if entry is not None:
                    require_as_logged(records, entry.size, entry.root)
            except JournalError as error:
                self._on_problem(error)
        for broken in snapshot.broken:
            self._on_problem(broken)
        for missing in snapshot.missing:
            self._on_problem(JournalError(missing_run(missing)))
        yield from map(_unproven, fold.open_attempts())

    def _add_emptying(self, event: Emptying) -> None:
        """Note what the run's plan empties; an earlier run of it may have done a part."""
        plan_id = event.run.plan_id or ""
        if self._plans.setdefault(plan_id, event.run.place) == event.run.place:
            study = (event.store, event.record.study_uid)
            self._to_empty[plan_id, study] = _ToEmpty(event.record.deletions, set())

    def _proven(self, proof: Proof) -> RecordedDeletion:
        record = proof.record
        is_gone = record.outcome.is_gone
        is_own = bool(proof.attempts) or proof.cause is None or proof.removal is None
        attempts = proof.attempts if is_own else proof.earlier
        first = attempts[0] if attempts else None
        declared = first.first if first else record if isinstance(record, Verified) else None
        return RecordedDeletion(
            _about_run_of(proof),
            record.time,
            proof.store.address,
            record.instance,
            record.outcome,
            record.presence,
            record.detail,
            source=declared.source if declared else None,
            reason=declared.reason if declared else None,
            settled_by=proof.by.name if (proof.removal or proof.run) is not proof.by else None,
            is_removal=proof.removal is not None,
            place=(proof.removal or proof.run or proof.by).place,
            proven_at=proof.by.place,
            empties_study=is_gone and self._is_last(proof),
            restored_by=self._restored_by(proof) if is_gone else None,
            **_evidence(attempts),
        )

    def _is_last(self, proof: Proof) -> bool:
        """Whether this completes the deletions that empty the study, each instance counted once.

        Not where something of the study was put back meanwhile.
        """
        study = (proof.store, proof.record.instance.study_uid)
        plan_id = (proof.run.plan_id if proof.run else None) or ""
        emptying = self._to_empty.get((plan_id, study))
        if emptying is None:
            return False
        emptying.gone.add(hash(proof.record.instance))
        if len(emptying.gone) < emptying.deletions:
            return False
        del self._to_empty[plan_id, study]
        began, now = self._plans[plan_id], proof.by.place
        return not any(began < back.place < now for back in self._study_restores.get(study, ()))

    def _restored_by(self, proof: Proof) -> str | None:
        """The first restore after the look: what was restored before it was gone again then."""
        later = self._restores.get((proof.store, proof.record.instance), ())
        return next((run.name for run in later if run.place > proof.by.place), None)


def _unproven(attempt: Attempt) -> RecordedDeletion:
    return RecordedDeletion(
        _about(attempt.run),
        attempt.last.time,
        attempt.store.address,
        attempt.instance,
        Outcome.UNCONFIRMED,
        None,
        _NO_PROOF,
        source=attempt.first.source,
        reason=attempt.first.reason,
        place=attempt.run.place,
        **_evidence((attempt,)),
    )


class _Evidence(TypedDict):
    """What the attempts of a deletion say of it, taken together."""

    attempts: int
    answers: tuple[RecordedReply, ...]
    copy: ArchivedCopy | None
    patient: str | None


def _evidence(attempts: Sequence[Attempt]) -> _Evidence:
    results = [result for attempt in attempts for result in attempt.results.values() if result]
    copies = [_copy(one.run.name, one.copy) for one in attempts if one.copy]
    patients = [one.first.patient.pseudonym for one in attempts if one.first.patient]
    return _Evidence(
        attempts=sum(attempt.last.attempt for attempt in attempts),
        answers=tuple(RecordedReply(result.status, result.request_id) for result in results),
        copy=copies[-1] if copies else None,
        patient=patients[-1] if patients else None,
    )


def _copy(run: str, archived: Archived) -> ArchivedCopy:
    path = f"{run}/{archived.path}"
    return ArchivedCopy(Path(archived.archive), path, archived.sha256, archived.damage)


def _about_run_of(proof: Proof) -> RecordedRun:
    """The run that the deletion belongs to: the one that removed the instance, if one did.

    Its name alone where its own file is not there.
    """
    if proof.run is not None or not isinstance(proof.record, Settled):
        return _about(proof.removal or proof.run or proof.by)
    unknown = _about(proof.by)
    return replace(unknown, run=proof.record.run, plan_id="", digest="", provenance=Provenance())


def _about(run: Run) -> RecordedRun:
    started = run.started
    plan_id, digest = (
        (started.plan_id, started.digest) if isinstance(started, RunStarted) else ("", "")
    )
    return RecordedRun(
        started.run,
        started.tool_version,
        plan_id,
        digest,
        started.endpoint,
        started.provenance,
    )
