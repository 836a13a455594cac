"""Settle what unfinished runs left open: intents of which nobody knows what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from reconciler.applying.outcome import deletion_outcome
from reconciler.journal.fold import Attempt
from reconciler.journal.records import Settled
from reconciler.journal.writer import RunJournal
from reconciler.live.store import ReadableStore
from reconciler.live.workers import run_workers
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome
from reconciler.model.reply import ReplyKind


def settle(
    attempts: Iterable[Attempt],
    stores: Mapping[StoreAddress, ReadableStore],
    journal: RunJournal,
    *,
    parallelism: int,
    now: Callable[[], datetime],
) -> dict[tuple[str, StoreAddress, InstanceAddress], Outcome]:
    """Look for each instance, and record what that makes of the attempts on it.

    Gives the outcome by run, store and instance. Sends no DELETE; an instance that is still
    there may be attempted again by its own plan. What the store does not answer for stays open.

    Raises:
        JournalError: the record cannot be written.
    """
    outcomes: dict[tuple[str, StoreAddress, InstanceAddress], Outcome] = {}

    def settle_one(attempt: Attempt) -> None:
        run, address = attempt.run.name, attempt.store.address
        store = stores[address]
        seen = store.probe(attempt.instance)
        explained = ReplyKind.ACCEPTED in attempt.replies
        seen = store.confirmed(attempt.instance, seen, explained=explained)
        if seen.presence is Presence.UNKNOWN:
            return
        outcome = deletion_outcome(attempt.replies, seen.presence)
        journal.commit(
            Settled(
                now(),
                run,
                address,
                attempt.instance,
                seen.presence,
                outcome,
                seen.detail,
            )
        )
        outcomes[run, address, attempt.instance] = outcome

    run_workers(attempts, settle_one, parallelism=parallelism)
    return outcomes
