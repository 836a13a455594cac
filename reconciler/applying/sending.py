"""Send what changes a store until its answer is clear, each attempt on record; then verify.

Deletions and restores share this. What follows from the answers is decided by their own outcome
tables.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import chain, repeat
from typing import TypeVar

from reconciler.applying.stopping import Stop
from reconciler.errors import JournalError, LiveError
from reconciler.journal.records import Intent, Record, Result
from reconciler.journal.writer import RunJournal
from reconciler.live.http.labels import AuditLabels
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.outcome import RunState
from reconciler.model.reply import Change, Reply, ReplyKind

T = TypeVar("T")

LEASE_LOST = "the bucket of the state took no sign of life in time, or another run has taken over"

_FORBIDDEN = 403
_PAUSES = (0.25, 0.5, 1.0, 2.0)
"""Seconds between looks at an instance that is not yet as it should be; the last one repeats."""


class NotSentError(Exception):
    """The run stopped before anything was sent; ``is_on_record`` says that its intent is."""

    def __init__(self, *, is_on_record: bool) -> None:
        super().__init__()
        self.is_on_record = is_on_record


class MayNotSendError(Exception):
    """Nothing may be sent of an instance, or nothing more, as was found before an attempt."""


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """How long one instance is tried, and how long its proof is waited for; in seconds.

    ``backoff`` gives the pause after the n-th attempt (from 1), knowing the server's Retry-After.
    """

    backoff: Callable[[int, float | None], float]
    attempt_for: float = 120.0
    verify_for: float = 30.0

    def attempts(self, attempt: Callable[[int], Reply], stop: threading.Event) -> Iterator[Reply]:
        """Attempt until the answer is clear, the time is over, or ``stop`` is set; every reply.

        ``attempt`` gets the number of the attempt, from 1.
        """
        deadline = time.monotonic() + self.attempt_for
        kinds: list[ReplyKind] = []
        while True:
            reply = attempt(len(kinds) + 1)
            yield reply
            kinds.append(reply.kind)
            if not _may_try_again(kinds) or stop.is_set():
                return
            pause = self.backoff(len(kinds), reply.retry_after)
            if time.monotonic() + pause > deadline or stop.wait(pause):
                return


def _may_try_again(kinds: list[ReplyKind]) -> bool:
    """Whether another attempt may bring a clear answer; a fresh token is tried once."""
    last = kinds[-1]
    if last is ReplyKind.UNAUTHENTICATED:
        return kinds.count(last) == 1
    return last.may_pass


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends the changes of one run, all of one kind; shared by its workers.

    ``turns`` are as many as requests may be under way: whoever has one looks at the lease, and
    sends at once.
    """

    change: Change
    stores: Mapping[StoreAddress, DicomStore]
    journal: RunJournal
    labels: AuditLabels
    budget: RetryBudget
    stop: Stop
    now: Callable[[], datetime]
    turns: threading.Semaphore
    _one_preflight: threading.Lock = field(default_factory=threading.Lock)
    _labelled: dict[tuple[StoreAddress, str | None], DicomStore] = field(default_factory=dict)

    def store(self, address: StoreAddress, ticket: str | None) -> DicomStore:
        """The store, with the run's labels and those of one removal on every request to it."""
        key = address, ticket
        store = self._labelled.get(key)
        if store is None:  # two threads may both make it; either will do
            store = self.stores[address].labelled(replace(self.labels, ticket=ticket))
            self._labelled[key] = store
        return store

    def send(
        self,
        first: Intent,
        request: Callable[[], Reply],
        check: Callable[[], None] = lambda: None,
    ) -> list[Reply]:
        """Attempt until the answer is clear, the time is over, or the run stops; every reply.

        ``first`` is the intent of the first attempt; ``check`` is called before each, and raises
        `OSError` or `MayNotSendError` where nothing may be sent any more. All that takes long came
        before: from the first intent on a request may have left.

        Raises:
            NotSentError: the run stopped before anything was sent.
            JournalError: the first intent could not be made durable, or the lease of the lock ran
                out; nothing was sent.
            OSError, MayNotSendError: ``check`` raised it before anything was sent.
        """
        replies: list[Reply] = []
        attempt = partial(self._attempt, first, request, check)
        try:
            for reply in self.budget.attempts(attempt, self.stop.event):
                replies.append(reply)
        except JournalError as error:
            if not replies:
                raise
            self.stop.request(RunState.STOPPED, str(error))
        except (OSError, MayNotSendError):
            if not replies:
                raise
        return replies

    def _attempt(
        self, first: Intent, request: Callable[[], Reply], check: Callable[[], None], number: int
    ) -> Reply:
        check()
        if number == 1:
            self._commit_first(first)
        else:
            again = Intent(self.now(), first.store, first.instance, number, action=first.action)
            self.journal.commit(again)
        with self.turns:
            if number == 1 and self.stop.is_requested:
                raise NotSentError(is_on_record=True)
            self.journal.require_working()
            if not self.journal.is_leased:
                raise JournalError(LEASE_LOST)
            reply = request()
        result = Result(
            self.now(),
            first.store,
            first.instance,
            number,
            reply.kind,
            reply.status,
            reply.detail,
            reply.request_id,
        )
        # After an operation no later apply may go on with the plan: that must not be lost.
        self.record(result, at_once=reply.kind is ReplyKind.OPERATION)
        return reply

    def _commit_first(self, intent: Intent) -> None:
        """Make an intent durable, if the run has not stopped."""
        if self.stop.is_requested:
            raise NotSentError(is_on_record=False)
        self.journal.commit(intent)

    def record(self, record: Record, *, at_once: bool = False) -> None:
        """Append without waiting; a journal that fails now stops the run, not this proof."""
        try:
            if at_once:
                self.journal.commit(record)
            else:
                self.journal.append(record)
        except JournalError as error:
            self.stop.request(RunState.STOPPED, str(error))

    def stop_if_fatal(self, store: StoreAddress, instance: InstanceAddress, reply: Reply) -> None:
        """Stop the run where a reply says that going on is wrong."""
        if reply.kind is ReplyKind.OPERATION:
            self.stop.request(
                RunState.ABORTED,
                f"the store answered the DELETE of {instance.instance_uid} with an"
                f" operation: something larger than an instance is being deleted",
            )
        elif reply.kind is ReplyKind.UNAUTHENTICATED:
            self.stop.request(RunState.STOPPED, "the store no longer accepts the credentials")
        elif reply.status == _FORBIDDEN:
            self.repeat_preflight(store)

    def preflight(self, store: StoreAddress) -> None:
        """Make sure that the store answers and lets the caller do this; raises as the store's."""
        is_delete = self.change is Change.DELETE
        self.stores[store].preflight(deleting=is_delete, storing=not is_delete)

    def repeat_preflight(self, store: StoreAddress) -> None:
        """Stop the run where the store no longer takes the caller."""
        with self._one_preflight:
            if self.stop.is_requested:
                return
            try:
                self.preflight(store)
            except LiveError as error:
                self.stop.request(RunState.STOPPED, str(error))

    def verify(self, look: Callable[[], T], is_due: Callable[[T], bool]) -> T:
        """Look, and look again for a while as long as the change ``is_due``."""
        seen = look()
        deadline = time.monotonic() + self.budget.verify_for
        pauses = chain(_PAUSES, repeat(_PAUSES[-1]))
        while is_due(seen) and time.monotonic() < deadline:
            is_stopped = self.stop.event.wait(next(pauses))
            seen = look()
            if is_stopped:
                break
        return seen
