"""The removals that the record holds, one after the other, however many they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import JournalError
from reconciler.journal.reader import read_run
from reconciler.journal.records import Intent, Record, Result, RunStarted, Settled, Verified
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.audit import Removal, Selection
from reconciler.model.desired import Reason
from reconciler.model.problem import Source

OnProblem = Callable[[str], None]


def removals(
    paths: Iterable[Path], selection: Selection, on_problem: OnProblem
) -> Iterator[Removal]:
    """The selected removals of these runs; what cannot be read is told, and the rest goes on."""
    open_attempts: dict[tuple[str, StoreAddress, InstanceAddress], _Attempt] = {}
    for path in paths:
        try:
            for removal in _of_run(path, open_attempts):
                asked = not selection.runs or removal.run in selection.runs
                if asked and selection.takes(removal):
                    yield removal
        except JournalError as error:
            on_problem(str(error))


@dataclass(slots=True)
class _Attempt:
    """What is known of a deletion before its proof."""

    actor: str | None
    reason: Reason | None = None
    source: Source | None = None
    status: int | None = None
    request_id: str | None = None


_Open = dict[tuple[str, StoreAddress, InstanceAddress], _Attempt]


def _of_run(path: Path, opened: _Open) -> Iterator[Removal]:
    """The removals that one run proves, those of earlier runs that it settles included."""
    records = iter(read_run(path))
    started = next(records, None)
    if not isinstance(started, RunStarted):
        return
    for record in records:
        if (found := _take(started, record, opened)) is not None:
            yield found


def _take(started: RunStarted, record: Record, opened: _Open) -> Removal | None:
    match record:
        case Intent(store=index, instance=instance):
            key = (started.run, started.stores[index], instance)
            attempt = opened.setdefault(key, _Attempt(started.provenance.actor))
            attempt.reason = record.reason or attempt.reason
            attempt.source = record.source or attempt.source
        case Result(store=index, instance=instance):
            attempt = opened[started.run, started.stores[index], instance]
            attempt.status, attempt.request_id = record.status, record.request_id
        case Verified(store=index, instance=instance):
            return _removal(started.run, started.stores[index], record, opened)
        case Settled(run=run, store=store):
            return _removal(run, store, record, opened)
    return None


def _removal(run: str, store: StoreAddress, record: Verified | Settled, opened: _Open) -> Removal:
    attempt = opened.pop((run, store, record.instance), _Attempt(None))
    return Removal(
        run,
        store,
        record.instance,
        record.time,
        record.outcome,
        record.presence,
        attempt.actor,
        attempt.reason,
        attempt.source,
        attempt.status,
        attempt.request_id,
        record.detail,
    )
