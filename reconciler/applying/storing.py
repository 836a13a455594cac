"""Store a file that no run archived: what a selftest brings to the user's own store."""

from __future__ import annotations

import time
from pathlib import Path

from reconciler.applying.deletion import Patience
from reconciler.applying.restoration import may_try_again
from reconciler.applying.stopping import Stop
from reconciler.live.store import DicomStore
from reconciler.model.reply import StoreReply


def store_file(store: DicomStore, path: Path) -> StoreReply:
    """Send a DICOM file, once.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return store.store(file)


def store_patiently(
    store: DicomStore, path: Path, *, patience: Patience, stop: Stop
) -> tuple[StoreReply, ...]:
    """Send a DICOM file until the answer is clear, the time is over, or the run stops.

    Gives every reply. Raises as `store_file`.
    """
    deadline = time.monotonic() + patience.attempt_for
    replies = [store_file(store, path)]
    while may_try_again(replies):
        pause = patience.backoff(len(replies), replies[-1].retry_after)
        if time.monotonic() + pause > deadline or stop.event.wait(pause):
            break
        replies.append(store_file(store, path))
    return tuple(replies)
