"""Put one archived instance back: check the file, intent, attempt, compare, record."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from reconciler.applying.fingerprint import Fingerprint, read_file, take_fingerprint
from reconciler.applying.outcome import RESTORES, AttemptSummary, Comparison, summarize
from reconciler.applying.sending import NotSentError, Sender
from reconciler.dicom.file_head import NotDicomFileError
from reconciler.errors import JournalError, LiveError
from reconciler.journal.inside import open_inside
from reconciler.journal.records import Intent, Restored
from reconciler.live.store import Body, DicomStore
from reconciler.model.address import StoreAddress
from reconciler.model.live import Presence
from reconciler.model.outcome import InstanceResult, Outcome, RunState
from reconciler.model.past import ArchivedInstance
from reconciler.model.reply import Change, Reply

_EXPECTED = frozenset({AttemptSummary.ACCEPTED, AttemptSummary.AMBIGUOUS})
"""After these an instance that is not there yet is looked for again."""

_READ_ATTEMPTS = 3
"""So often an instance is retrieved whose body breaks off."""

_WAY_OUT = (
    "; the file is as it was archived: restore again once the store takes it, or store it by"
    " other means"
)


class _UnfitError(Exception):
    """The archived file is not what may be stored; ``str`` goes on after "the archived file"."""


@dataclass(frozen=True, slots=True)
class _Original:
    """The archived file, open and checked; ``status`` is what the system said of it then."""

    file: BinaryIO
    status: tuple[int, ...]
    fingerprint: Fingerprint

    def require_unchanged(self) -> None:
        """Make sure that the file is still what was checked.

        Raises:
            OSError: it is not.
        """
        if self.status != _status(self.file):
            raise OSError("it was changed after it was checked")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the store gave when it was asked for the instance again."""

    comparison: Comparison
    detail: str = ""


class Restorer:
    """Restores the instances of one run; shared by its workers.

    ``order`` has the stores of the run's first record.
    """

    def __init__(self, sender: Sender, order: tuple[StoreAddress, ...]) -> None:
        self._sender = sender
        self._order = order
        self._stop = sender.stop

    def restore(self, archived: ArchivedInstance) -> InstanceResult:
        """Store, compare, record; what goes wrong is in the outcome, never an exception."""
        if self._stop.is_requested:
            return archived.result(Outcome.NOT_ATTEMPTED, self._stop.reason or "")
        try:
            with open_inside(archived.archive, archived.path) as file:
                return self._put_back(archived, _check(archived, file))
        except OSError as error:
            detail = f"the archived file cannot be read: {error.strerror or error}"
        except _UnfitError as error:
            detail = f"the archived file {error}"
        return self._restored(archived, Outcome.FAILED, detail)

    def _put_back(self, archived: ArchivedInstance, original: _Original) -> InstanceResult:
        """Send what requests it takes, then compare; raises `OSError` if it sent none."""
        store = self._store(archived)
        first = Intent(
            self._sender.now(), self._index(archived), archived.instance, 1, action=Change.STORE
        )
        request = partial(store.store, original.file)
        try:
            replies = self._sender.send(first, request, original.require_unchanged)
        except NotSentError as stopped:
            reason = self._stop.reason or ""
            if stopped.is_on_record:
                return self._restored(archived, Outcome.NOT_ATTEMPTED, reason)
            return archived.result(Outcome.NOT_ATTEMPTED, reason)
        except JournalError as error:
            self._stop.request(RunState.STOPPED, str(error))
            return archived.result(Outcome.NOT_ATTEMPTED, str(error))
        self._sender.stop_if_fatal(archived.store, archived.instance, replies[-1])
        summary = summarize([reply.kind for reply in replies])
        seen = self._sender.verify(
            partial(_compare, store, archived, original.fingerprint),
            lambda seen: seen.comparison is Comparison.ABSENT and summary in _EXPECTED,
        )
        outcome = RESTORES[summary, seen.comparison]
        detail = "" if outcome.is_restored else _explain(replies[-1], seen)
        if outcome is Outcome.FAILED:
            detail += _WAY_OUT
        return self._restored(archived, outcome, detail)

    def _store(self, archived: ArchivedInstance) -> DicomStore:
        """The store, with the labels of the removal that is undone on every request to it."""
        return self._sender.store(archived.store, archived.reason.ticket)

    def _index(self, archived: ArchivedInstance) -> int:
        return self._order.index(archived.store)

    def _restored(
        self, archived: ArchivedInstance, outcome: Outcome, detail: str
    ) -> InstanceResult:
        self._sender.record(
            Restored(
                self._sender.now(),
                self._index(archived),
                archived.instance,
                archived.run,
                outcome,
                archived.source,
                archived.reason,
                detail,
            )
        )
        return archived.result(outcome, detail)


def _compare(store: DicomStore, archived: ArchivedInstance, original: Fingerprint) -> _Seen:
    """Retrieve the instance and compare; where that gives nothing, look whether it is there."""
    problem = ""
    for _ in range(_READ_ATTEMPTS):
        try:
            with store.retrieve(archived.instance) as body:
                found = _read(body)
        except LiveError as error:
            problem = str(error)
            break
        if found is not None:
            return _Seen(_compared(original, found))
        problem = "the retrieve broke off"
    look = store.probe(archived.instance)
    # What was listed before the instance was stored says nothing.
    look = store.confirmed(archived.instance, look, since=time.monotonic())
    if look.presence is Presence.ABSENT:
        return _Seen(Comparison.ABSENT)
    return _Seen(Comparison.UNKNOWN, look.detail or problem)


def _read(body: Body) -> Fingerprint | None:
    """What the body holds; None if it broke off."""
    try:
        found = take_fingerprint(body.chunks)
    except LiveError:
        return None
    return None if body.length not in {None, found.size} else found


def _compared(original: Fingerprint, found: Fingerprint) -> Comparison:
    if original.sha256 == found.sha256:
        return Comparison.IDENTICAL
    same = original.has_same_dataset(found)
    return Comparison.SAME_DATASET if same else Comparison.DIFFERENT


def _explain(reply: Reply, seen: _Seen) -> str:
    """Say in one line why the restore is not proven."""
    look = seen.comparison.value + (f" ({seen.detail})" if seen.detail else "")
    said = reply.kind.value + (f" ({reply.detail})" if reply.detail else "")
    return f"store: {said}; retrieve: {look}"


def _status(file: BinaryIO) -> tuple[int, ...]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _check(archived: ArchivedInstance, file: BinaryIO) -> _Original:
    """Make sure that it is what was archived, and the instance that the record names.

    Raises:
        OSError: it cannot be read.
        _UnfitError: it is not.
    """
    status = _status(file)
    try:
        fingerprint, found = read_file(file)
    except NotDicomFileError as error:
        raise _UnfitError(f"cannot be restored: {error}") from error
    if fingerprint.sha256 != archived.sha256:
        raise _UnfitError("is not what was archived: its sha256 differs")
    if found.address != archived.instance:
        raise _UnfitError("says that it is another instance, or none")
    return _Original(file, status, fingerprint)
