"""What the next run comes after, found without reading whole files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TypedDict

from reconciler.errors import JournalError
from reconciler.journal.log import RunLog
from reconciler.journal.order import RunStart, latest
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import FirstRecord
from reconciler.journal.state import OBSERVATIONS, RUNS, State
from reconciler.model.service import Store, store_at


class Links(TypedDict):
    """What ties a run to those before it; members of its first record.

    ``after`` are the latest runs of its own folder, those that no other run comes after;
    ``previous_head`` and ``previous_observation`` are the heads of the logs of ``runs/`` and
    ``observations/``.
    """

    after: tuple[str, ...]
    previous_head: str | None
    previous_observation: str | None


def links_of_run(state: State) -> Links:
    """The links of an apply or a restore that begins now.

    What cannot be read is passed over: whoever reads the history has found it before.
    """
    return _links(state, RUNS)


def links_of_observation(state: State) -> Links:
    """The links of a run that changes no store and begins now."""
    return _links(state, OBSERVATIONS)


def _links(state: State, folder: str) -> Links:
    return Links(
        after=_latest(state, folder),
        previous_head=_head(state, RUNS),
        previous_observation=_head(state, OBSERVATIONS),
    )


def _head(state: State, folder: str) -> str | None:
    with suppress(JournalError):
        if logged := RunLog(state.objects, folder).latest():
            return logged.head
    return None


def known_stores(state: State) -> frozenset[Store]:
    """The stores of all applies and restores on record, by their first records."""
    return frozenset(
        store_at(first.endpoint, store)
        for first in _first_records(state, RUNS)
        for store in first.stores
    )


def _latest(state: State, folder: str) -> tuple[str, ...]:
    try:
        return latest(map(RunStart.of, _first_records(state, folder)))
    except JournalError:
        return ()


def _first_records(state: State, folder: str) -> Iterator[FirstRecord]:
    for file in state.run_files(folder):
        with suppress(JournalError):
            first = next(iter(RunRecords(file)), None)
            if isinstance(first, FirstRecord):
                yield first
