"""The runs that nobody added to the log: their process died before it could."""

from __future__ import annotations

from collections.abc import Callable, Collection

from reconciler.journal.log import RunLog
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import FirstRecord
from reconciler.journal.state import RUNS, State
from reconciler.model.address import StoreAddress


def add_left_runs(
    state: State, stores: Collection[StoreAddress], is_over: Callable[[str], bool]
) -> None:
    """Add the applies and restores to the log that worked on one of ``stores`` and are not in it.

    The caller holds the locks of the stores; ``is_over`` says of a run that it held one before.

    Raises:
        JournalError: a run cannot be read, or the log cannot be read or written.
    """
    log = RunLog(state.objects, RUNS)
    logged = {one.entry.run for one in log}
    for file in state.run_files(RUNS):
        if file.name in logged:
            continue
        records = RunRecords(file, measures=True)
        reading = iter(records)
        first = next(reading, None)
        is_ours = isinstance(first, FirstRecord) and not set(stores).isdisjoint(first.stores)
        if is_ours and is_over(file.name):
            for _ in reading:
                pass
            if records.tree is not None:
                log.add(file.name, records.tree.size, records.tree.root)
