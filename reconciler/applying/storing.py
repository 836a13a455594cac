"""Store a file that no run archived: what a selftest brings to the user's own store."""

from __future__ import annotations

from pathlib import Path

from reconciler.applying.sending import RetryBudget
from reconciler.applying.stopping import Stop
from reconciler.live.store import DicomStore
from reconciler.model.reply import Reply


def store_file(store: DicomStore, path: Path) -> Reply:
    """Send a DICOM file, once.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return store.store(file)


def store_patiently(
    store: DicomStore, path: Path, *, budget: RetryBudget, stop: Stop
) -> tuple[Reply, ...]:
    """Send a DICOM file until the answer is clear, the time is over, or the run stops.

    Gives every reply. Raises as `store_file`.
    """
    return tuple(budget.attempts(lambda _: store_file(store, path), stop.event))
