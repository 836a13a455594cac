"""One DELETE at a time in each store, until the first deletion there is proven."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from reconciler.applying.stopping import Stop
from reconciler.errors import Refused
from reconciler.live.store import ReadableStore
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import Presence
from reconciler.model.outcome import InstanceResult, RunState
from reconciler.model.reply import ReplyKind


def require_absence(store: ReadableStore, nobody: InstanceAddress) -> None:
    """Make sure that the store's word for "absent" is understood, before anything is deleted.

    ``nobody`` is an address at which there is nothing. What is said of it must be an absence by the
    rules that prove an accepted deletion later.

    Raises:
        Refused: it is not; no deletion could be proven there.
    """
    seen = store.confirmed(nobody, store.probe(nobody), explained=True)
    if seen.presence is not Presence.ABSENT:
        raise Refused(
            f"{store.address}: no deletion could be proven, since the answer for an instance that"
            f" does not exist is no clear absence: {seen.detail or seen.presence.value}",
            hint="nothing was deleted; look for a proxy or gateway that changes the store's"
            f" answers: GET …{nobody}/metadata must give the 404 of the store itself",
        )


class FirstProofs:
    """Holds back the DELETEs of each store until one that this run sent is proven.

    How a store answers for what was really deleted is not known before. So until then they go one
    at a time, and one that was accepted and is not proven stops the run. Shared by all workers.
    """

    def __init__(self, stores: Iterable[StoreAddress], stop: Stop) -> None:
        self._turns = {store: threading.Lock() for store in stores}
        self._proven: set[StoreAddress] = set()
        self._stop = stop

    @contextmanager
    def turn(self, store: StoreAddress) -> Iterator[None]:
        """Wait until a DELETE may be sent; the block ends with its proof."""
        if store in self._proven:
            yield
            return
        with ExitStack() as held:
            held.enter_context(self._turns[store])
            if store in self._proven:
                held.close()
            yield

    def note(self, result: InstanceResult, replies: Sequence[ReplyKind]) -> None:
        """Take note of what came of DELETEs of this run, with their replies, before the turn ends.

        Where all of them are a clear no, what is gone has gone by an earlier run.
        """
        if result.store in self._proven:
            return
        if result.outcome.is_removal and not all(reply.is_clear_no for reply in replies):
            self._proven.add(result.store)
        elif ReplyKind.ACCEPTED in replies and not result.outcome.is_gone:
            self._stop.request(
                RunState.STOPPED,
                f"{result.store}: the first deletion could not be proven: {result.detail}",
            )
