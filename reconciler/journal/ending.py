"""Adds runs that are over to the log."""

from __future__ import annotations

from collections.abc import Callable, Collection

from reconciler.journal.catalogue import Catalogue
from reconciler.journal.index import mentions_of, write_index
from reconciler.journal.log import RunLog, measured
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import FirstRecord
from reconciler.journal.state import RUNS, RunFile, State
from reconciler.model.address import StoreAddress


def add_run(state: State, file: RunFile) -> str | None:
    """Add a run that is over to its log, as its record stands; the head of that.

    Applies and restores have an index. None for a run that never started: it is in no log.

    Raises:
        JournalError: its record cannot be read, or the log cannot be read or written.
    """
    records = RunRecords(file, measures=True)
    index: bytes | None = None
    if file.folder == RUNS:
        found = mentions_of(records)
        size, root = measured(records)
        index = write_index(found[1].index(found[0], size, root)) if found else None
    else:
        for _ in records:
            pass
        size, root = measured(records)
    if not size:
        return None
    return RunLog(state.objects, file.folder).add(file.name, size, root, index)


def add_left_runs(
    state: State, stores: Collection[StoreAddress], is_over: Callable[[str], bool]
) -> None:
    """Add the runs that worked on one of ``stores`` and that nobody added: their process died.

    The caller holds the locks of the stores; ``is_over`` says of a run that it held one before.

    Raises:
        JournalError: a run cannot be read, or the log cannot be read or written.
    """
    catalogue = Catalogue.read(state)
    left = (file for name, file in catalogue.unindexed.items() if name not in catalogue.logged)
    for file in left:
        first = next(iter(RunRecords(file)), None)
        is_ours = isinstance(first, FirstRecord) and not set(stores).isdisjoint(first.stores)
        # One that shared the stores may have gone on and ended since: then it adds itself.
        if is_ours and is_over(file.name) and not file.has_grown:
            add_run(state, file)
