"""Put one archived instance back: check the file, intent, attempt, compare, record."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO

from reconciler.applying.deletion import REPROBE_PAUSES, Patience
from reconciler.applying.fingerprint import Fingerprint, read_file, take_fingerprint
from reconciler.applying.restore_outcome import OUTCOMES, Comparison, StoreEnding, ending_of
from reconciler.applying.stopping import Stop
from reconciler.dicom.file_head import NotDicomFileError
from reconciler.errors import JournalError, LiveError
from reconciler.journal.inside import open_inside
from reconciler.journal.records import Restored, RestoreIntent, RestoreReplied
from reconciler.journal.writer import RunJournal
from reconciler.live.labels import AuditLabels
from reconciler.live.store import Body, DicomStore
from reconciler.model.address import StoreAddress
from reconciler.model.live import Presence
from reconciler.model.outcome import RunState
from reconciler.model.reply import StoreReply, StoreReplyKind
from reconciler.model.restore import ArchivedInstance, RestoreOutcome, RestoreResult

_RETRIED = frozenset(
    {StoreReplyKind.THROTTLED, StoreReplyKind.UNCLEAR, StoreReplyKind.UNAUTHENTICATED}
)
_FORBIDDEN = 403
_READINGS = 3
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

    @property
    def is_unchanged(self) -> bool:
        """Whether the file is still what was checked."""
        return self.status == _status(self.file)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the store gave when it was asked for the instance again."""

    comparison: Comparison
    detail: str = ""


class Restorer:
    """Restores the instances of one run; shared by its workers."""

    def __init__(
        self,
        *,
        stores: Mapping[StoreAddress, DicomStore],
        order: tuple[StoreAddress, ...],
        journal: RunJournal,
        labels: AuditLabels,
        patience: Patience,
        stop: Stop,
        now: Callable[[], datetime],
    ) -> None:
        self._stores = stores
        self._order = order
        self._journal = journal
        self._labels = labels
        self._patience = patience
        self._stop = stop
        self._now = now
        self._preflight_lock = threading.Lock()

    def restore(self, archived: ArchivedInstance) -> RestoreResult:
        """Store, compare, record; what goes wrong is in the outcome, never an exception."""
        if self._stop.is_requested:
            return RestoreResult(archived, RestoreOutcome.NOT_ATTEMPTED, self._stop.reason or "")
        try:
            file = open_inside(archived.archive, archived.path)
        except OSError as error:
            return self._restored(archived, RestoreOutcome.FAILED, _unreadable(error))
        with file:
            try:
                original = _check(archived, file)
            except OSError as error:
                return self._restored(archived, RestoreOutcome.FAILED, _unreadable(error))
            except _UnfitError as error:
                return self._restored(archived, RestoreOutcome.FAILED, f"the archived file {error}")
            return self._put_back(archived, original)

    def _put_back(self, archived: ArchivedInstance, original: _Original) -> RestoreResult:
        replies: list[StoreReply] = []
        try:
            self._attempt(archived, original, replies)
        except JournalError as error:
            self._stop.request(RunState.STOPPED, str(error))
            if not replies:
                return RestoreResult(archived, RestoreOutcome.NOT_ATTEMPTED, str(error))
        except OSError as error:
            return self._restored(archived, RestoreOutcome.FAILED, _unreadable(error))
        self._heed(archived.store, replies[-1])
        ending = ending_of([reply.kind for reply in replies])
        seen = self._look(archived, original.fingerprint, ending)
        outcome = OUTCOMES[ending, seen.comparison]
        detail = "" if outcome.is_restored else _explain(replies[-1], seen)
        if outcome is RestoreOutcome.FAILED:
            detail += _WAY_OUT
        return self._restored(archived, outcome, detail)

    def _attempt(
        self, archived: ArchivedInstance, original: _Original, replies: list[StoreReply]
    ) -> None:
        """Attempt until the answer is clear, the time is over, or the run stops.

        Raises:
            JournalError: an intent could not be made durable.
            OSError: the file is no longer what was checked; nothing was sent.
        """
        deadline = time.monotonic() + self._patience.attempt_for
        index = self._order.index(archived.store)
        while True:
            number = len(replies) + 1
            if not original.is_unchanged:
                if replies:
                    return
                raise OSError("it was changed after it was checked")
            self._journal.commit(RestoreIntent(self._now(), index, archived.instance, number))
            reply = self._store(archived).store(original.file)
            replies.append(reply)
            self._record(
                RestoreReplied(
                    self._now(),
                    index,
                    archived.instance,
                    number,
                    reply.kind,
                    reply.status,
                    reply.detail,
                    reply.request_id,
                )
            )
            if not may_try_again(replies) or self._stop.is_requested:
                return
            pause = self._patience.backoff(number, reply.retry_after)
            if time.monotonic() + pause > deadline or self._stop.event.wait(pause):
                return

    def _store(self, archived: ArchivedInstance) -> DicomStore:
        """The store, with the labels of the removal that is undone on every request to it."""
        labels = replace(self._labels, ticket=archived.reason.ticket)
        return self._stores[archived.store].labelled(labels)

    def _heed(self, store: StoreAddress, reply: StoreReply) -> None:
        """Stop the run where a reply says that going on is wrong."""
        if reply.kind is StoreReplyKind.UNAUTHENTICATED:
            self._stop.request(RunState.STOPPED, "the store no longer accepts the credentials")
        elif reply.status == _FORBIDDEN:
            with self._preflight_lock:
                self._repeat_preflight(store)

    def _repeat_preflight(self, store: StoreAddress) -> None:
        if self._stop.is_requested:
            return
        try:
            self._stores[store].preflight(deleting=False, storing=True)
        except LiveError as error:
            self._stop.request(RunState.STOPPED, str(error))

    def _look(
        self, archived: ArchivedInstance, original: Fingerprint, ending: StoreEnding
    ) -> _Seen:
        """Retrieve and compare; look again for a while where the instance is to be expected."""
        seen = self._compare(archived, original)
        deadline = time.monotonic() + self._patience.reprobe_for
        looks = 0
        is_expected = ending in {StoreEnding.STORED, StoreEnding.AMBIGUOUS}
        while is_expected and seen.comparison is Comparison.ABSENT and time.monotonic() < deadline:
            pause = REPROBE_PAUSES[min(looks, len(REPROBE_PAUSES) - 1)]
            stopped = self._stop.event.wait(pause)
            seen = self._compare(archived, original)
            looks += 1
            if stopped:
                break
        return seen

    def _compare(self, archived: ArchivedInstance, original: Fingerprint) -> _Seen:
        store = self._store(archived)
        problem = ""
        for _ in range(_READINGS):
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

    def _restored(
        self, archived: ArchivedInstance, outcome: RestoreOutcome, detail: str
    ) -> RestoreResult:
        self._record(
            Restored(
                self._now(),
                self._order.index(archived.store),
                archived.instance,
                archived.run,
                outcome,
                archived.source,
                archived.reason,
                detail,
            )
        )
        return RestoreResult(archived, outcome, detail)

    def _record(self, record: RestoreReplied | Restored) -> None:
        """Append without waiting; a journal that fails now stops the run, not this proof."""
        try:
            self._journal.append(record)
        except JournalError as error:
            self._stop.request(RunState.STOPPED, str(error))


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


def may_try_again(replies: Sequence[StoreReply]) -> bool:
    """Whether another attempt to store may bring a clear answer; a fresh token is tried once."""
    last = replies[-1].kind
    if last is StoreReplyKind.UNAUTHENTICATED:
        return sum(reply.kind is last for reply in replies) == 1
    return last in _RETRIED


def _explain(reply: StoreReply, seen: _Seen) -> str:
    """Say in one line why the restore is not proven."""
    look = seen.comparison.value + (f" ({seen.detail})" if seen.detail else "")
    said = reply.kind.value + (f" ({reply.detail})" if reply.detail else "")
    return f"store: {said}; retrieve: {look}"


def _unreadable(error: OSError) -> str:
    return f"the archived file cannot be read: {error.strerror or error}"


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
