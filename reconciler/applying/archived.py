"""What a run archived, as its journal tells."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import UsageError
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import Archived, RestoreStarted, RunStarted
from reconciler.journal.state import RUNS, State
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.past import ArchivedInstance

_NAMED = 5
"""So many instances that a run did not archive are named; the rest are counted."""


@dataclass(frozen=True, slots=True)
class ArchivedRun:
    """``runs`` are the run that was asked for, last, and the runs of its plan that it resumed.

    ``missing`` are those of them that are not on record, so that their copies are not known.
    ``only`` are the SOP Instance UIDs that were asked for; empty where it is all of them.
    """

    runs: tuple[str, ...]
    endpoint: str
    stores: tuple[StoreAddress, ...]
    instances: tuple[ArchivedInstance, ...]
    missing: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


def read_archived(
    state: State, run: str, *, only: Collection[str] = (), archive: Path | None = None
) -> ArchivedRun:
    """Read what a run, and those that it resumed, archived; the latest copy of each instance.

    ``only`` are SOP Instance UIDs; ``archive`` is the absolute path of where the archive's folder
    is now, if it was moved.

    Raises:
        UsageError: there is no such run, it archived nothing, or not what ``only`` names.
        JournalError: the record of a run cannot be read.
    """
    started = _started(state, run)
    runs = (*started.resumes, run)
    found: dict[tuple[StoreAddress, InstanceAddress], ArchivedInstance] = {}
    missing = tuple(name for name in started.resumes if state.run_file(RUNS, name) is None)
    for name in runs:
        for archived in _archived(state, name, archive):
            found[archived.store, archived.instance] = archived
    wanted = _chosen(found.values(), set(only), run)
    return ArchivedRun(
        runs, started.endpoint, started.stores, tuple(wanted), missing, tuple(sorted(set(only)))
    )


def _started(state: State, run: str) -> RunStarted:
    file = state.run_file(RUNS, run)
    if file is None:
        raise UsageError(
            f"there is no run {run!r} in the state folder {state}",
            hint="name a run as apply reports it, of a plan in shards that of a shard (runs in the"
            " report); its record is in the state (--state)",
        )
    started = next(iter(RunRecords(file)), None)
    match started:
        case RunStarted():
            return started
        case RestoreStarted(restores=restores):
            raise UsageError(
                f"run {run} is itself a restore",
                hint=f"name the run that archived: reconciler restore {restores[-1]}",
            )
    raise UsageError(f"run {run} never started, so it archived nothing")


def _archived(state: State, run: str, archive: Path | None) -> Iterator[ArchivedInstance]:
    stores: tuple[StoreAddress, ...] = ()
    file = state.run_file(RUNS, run)
    for record in RunRecords(file) if file else ():
        if isinstance(record, RunStarted):
            stores = record.stores
        elif isinstance(record, Archived):
            yield ArchivedInstance(
                run,
                stores[record.store],
                record.instance,
                archive or Path(record.archive),
                f"{run}/{record.path}",
                record.sha256,
                record.size,
                record.source,
                record.reason,
                record.damage,
            )


def _chosen(found: Iterable[ArchivedInstance], only: set[str], run: str) -> list[ArchivedInstance]:
    chosen = [one for one in found if not only or one.instance.instance_uid in only]
    missing = sorted(only - {one.instance.instance_uid for one in chosen})
    if missing:
        named = ", ".join(missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise UsageError(f"run {run} did not archive instance {named}{more}")
    if not chosen:
        raise UsageError(
            f"run {run} archived nothing, so there is nothing to restore",
            hint="only what a file gives an archive is kept before it is deleted",
        )
    return chosen
