"""The record of a query that reads image bytes; see `recording` for what cannot be written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from reconciler import __version__
from reconciler.api import machine
from reconciler.api.recording import note_head
from reconciler.cli import environment
from reconciler.cli.options.listening import Console
from reconciler.cli.output.console import say
from reconciler.errors import JournalError
from reconciler.journal.latest import links_of_observation
from reconciler.journal.read_only import QueryEnded, QueryStarted, Retrieved
from reconciler.journal.state import State
from reconciler.journal.writer import RunJournal
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.provenance import Provenance


@contextmanager
def recorded_query(
    stores: Sequence[StoreAddress], state: State, *, reads: bool
) -> Iterator[QueryRecord]:
    """Keep the record while the block runs; one that ``reads`` no bytes leaves none."""
    record = QueryRecord(tuple(stores), state, reads=reads)
    try:
        yield record
    except BaseException:
        record.close(is_whole=False)
        raise
    record.close(is_whole=True)


class QueryRecord:
    """Begins with the first store that is asked, and hears of every instance that was read."""

    def __init__(self, stores: tuple[StoreAddress, ...], state: State, *, reads: bool) -> None:
        self._stores = stores
        self._state = state
        self._is_wanted = reads
        self._journal: RunJournal | None = None
        self._retrieved = self._problems = 0

    def begin(self, endpoint: str, principal: str | None) -> None:
        """Write the first record, once, before anything is read."""
        if not self._is_wanted or self._journal is not None:
            return
        now = machine.now()
        first = QueryStarted(
            run=machine.new_run_name(now),
            time=now,
            tool_version=__version__,
            endpoint=endpoint,
            stores=self._stores,
            provenance=Provenance(principal, environment.requester()),
            **links_of_observation(self._state),
        )
        try:
            self._journal = RunJournal.create(self._state, first)
        except JournalError as error:
            self._give_up(error)

    def read(self, store: StoreAddress, instance: InstanceAddress, problem: str) -> None:
        """Record that the bytes of an instance were asked for."""
        self._problems += bool(problem)
        self._retrieved += not problem
        if self._journal is None:
            return
        index = self._stores.index(store)
        try:
            self._journal.append(Retrieved(machine.now(), index, instance, problem))
        except JournalError as error:
            self._give_up(error)

    def close(self, *, is_whole: bool) -> None:
        """Bring the record to its end, and say its head."""
        if self._journal is None:
            return
        try:
            with self._journal as journal:
                if is_whole:
                    journal.commit(QueryEnded(machine.now(), self._retrieved, self._problems))
                note_head(journal.finish(), Console())
        except JournalError as error:
            self._give_up(error)

    def _give_up(self, error: JournalError) -> None:
        self._is_wanted = False
        self._journal = None
        say(f"note: this query is not on record: {error}")
