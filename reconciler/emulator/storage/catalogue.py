"""Which stores and operations there are."""

from __future__ import annotations

import sqlite3

from reconciler.model.address import StoreAddress


class Catalogue:
    """The stores, by number, and the long-running operations that deletions answered."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[str, int] = dict(
            connection.execute("SELECT name, id FROM stores").fetchall()
        )

    def add_store(self, store: StoreAddress) -> bool:
        """Create a store; False if it exists."""
        if str(store) in self._numbers:
            return False
        cursor = self._connection.execute("INSERT INTO stores (name) VALUES (?)", (str(store),))
        self._numbers[str(store)] = int(cursor.lastrowid or 0)
        return True

    def number(self, store: StoreAddress) -> int | None:
        """The number of a store, None if there is no such store."""
        return self._numbers.get(str(store))

    def has_dataset(self, dataset: str) -> bool:
        """Whether a store lies in the dataset with this resource name."""
        return any(name.startswith(f"{dataset}/dicomStores/") for name in self._numbers)

    def stores_in(self, dataset: str) -> list[str]:
        """The resource names of the stores in a dataset, sorted."""
        return sorted(name for name in self._numbers if name.startswith(f"{dataset}/dicomStores/"))

    def add_operation(self, dataset: str) -> str:
        """Record an operation that is done, and name it."""
        cursor = self._connection.execute("INSERT INTO operations VALUES (NULL, ?)", (dataset,))
        return f"{dataset}/operations/{cursor.lastrowid}"

    def has_operation(self, dataset: str, number: str) -> bool:
        """Whether the dataset has had the operation."""
        found = self._connection.execute(
            "SELECT 1 FROM operations WHERE dataset = ? AND id = CAST(? AS INTEGER)",
            (dataset, number),
        ).fetchone()
        return found is not None and number.isdecimal()
