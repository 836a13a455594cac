"""The stores with all that they hold: index and files, changed together.

Every method that touches the index runs on the thread of the event loop, without a pause inside,
so that no request ever sees half a change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from reconciler.emulator.storage.catalogue import Catalogue
from reconciler.emulator.storage.files import Files
from reconciler.emulator.storage.index import Index, StoredInstance
from reconciler.emulator.storage.parsing import ParsedInstance
from reconciler.emulator.storage.schema import open_database
from reconciler.model.address import StoreAddress


class AlreadyStoredError(Exception):
    """The store holds an instance at this address."""


class Storage:
    """All stores below ``data_dir``, which is created when it is missing."""

    def __init__(
        self, data_dir: Path, stores: Iterable[StoreAddress], monotonic: Callable[[], float]
    ) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self._monotonic = monotonic
        self.files = Files(data_dir)
        self.connection = open_database(data_dir / "index.sqlite3")
        self.catalogue = Catalogue(self.connection)
        self.index = Index(self.connection)
        for store in stores:
            self.catalogue.add_store(store)

    def close(self) -> None:
        """Close the index."""
        self.connection.close()

    def add(self, store: int, arrivals: Sequence[tuple[Path, ParsedInstance]]) -> None:
        """Keep files that arrived, all or none.

        Raises:
            AlreadyStoredError: the store holds one of them; the files stay where they are.
        """
        if any(self.index.below(store, instance.address) for _, instance in arrivals):
            raise AlreadyStoredError("the store holds the instance already")
        for arrived, instance in arrivals:
            self.files.place(arrived, store, instance.address)
        self.index.add(store, [instance for _, instance in arrivals])

    def remove(self, store: int, instances: list[StoredInstance], *, search_lag: float) -> None:
        """Delete instances; for ``search_lag`` seconds searches still list them."""
        now = self._monotonic()
        self.index.remove(instances, listed_from=now if search_lag > 0 else None)
        for instance in instances:
            self.files.remove(store, instance.address)

    def settle(self, *, search_lag: float) -> None:
        """Before a search: forget what was deleted longer ago than the lag (seconds)."""
        self.index.purge(self._monotonic() - search_lag)
