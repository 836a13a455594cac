"""What the stores hold, in SQLite.

One connection, used from the thread of the event loop only, so that statements never interleave.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from reconciler.emulator.storage.parsing import ParsedInstance
from reconciler.model.address import InstanceAddress


class StoredInstance(NamedTuple):
    """An instance that a store holds; ``number`` finds its metadata, ``size`` is in bytes."""

    number: int
    address: InstanceAddress
    transfer_syntax_uid: str
    size: int


class Size(NamedTuple):
    """How much there is; sizes are in bytes."""

    studies: int
    series: int
    instances: int
    blobs: int
    structured: int


_BELOW = """
    SELECT id, study_uid, series_uid, instance_uid, transfer_syntax_uid, size FROM instances
    WHERE deleted_at IS NULL AND store = ?{}
    ORDER BY study_uid, series_uid, instance_uid
"""
_AND_UID = (" AND study_uid = ?", " AND series_uid = ?", " AND instance_uid = ?")
"""What `_BELOW` is narrowed by, as many of these as there are UIDs."""

_INSERTIONS = (
    "DELETE FROM instances WHERE store = :store AND study_uid = :study_uid"
    " AND series_uid = :series_uid AND instance_uid = :instance_uid AND deleted_at IS NOT NULL",
    "INSERT OR IGNORE INTO studies VALUES (:store, :study_uid, :PatientName, :PatientID,"
    " :AccessionNumber, :ReferringPhysicianName, :StudyDate, :study_row)",
    "INSERT OR IGNORE INTO series VALUES (:store, :study_uid, :series_uid, :Modality, :series_row)",
    "INSERT INTO instances VALUES (NULL, :store, :study_uid, :series_uid, :instance_uid,"
    " :transfer_syntax_uid, :size, NULL, :instance_row, :listing_row)",
    "INSERT INTO metadata VALUES (last_insert_rowid(), :metadata)",
)
"""What adds an instance that is not there, or only listed; with its series and study if new."""


class Index:
    """The instances of all stores; a store is given by its number in the catalogue."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def below(self, store: int, uids: tuple[str, ...]) -> list[StoredInstance]:
        """The instances below a study, a series or an instance, as many UIDs as given; sorted."""
        statement = _BELOW.format("".join(_AND_UID[: len(uids)]))
        found = self._connection.execute(statement, (store, *uids))
        return [
            StoredInstance(row[0], InstanceAddress(row[1], row[2], row[3]), row[4], row[5])
            for row in found.fetchall()
        ]

    def metadata(self, number: int) -> str:
        """The metadata of an instance that is there, as JSON."""
        found = self._connection.execute("SELECT json FROM metadata WHERE id = ?", (number,))
        return str(found.fetchone()[0])

    def search(self, statement: str, parameters: tuple[str | int, ...]) -> list[tuple[Any, ...]]:
        """The rows of a search; they may list what was removed and is not purged."""
        return self._connection.execute(statement, parameters).fetchall()

    def size(self, store: int, uids: tuple[str, ...]) -> Size:
        """How much the store holds, or a study or series of it, as many UIDs as given."""
        study, series = (*uids, None, None)[:2]
        found = self._connection.execute(
            "SELECT COUNT(DISTINCT study_uid), COUNT(DISTINCT study_uid || '/' || series_uid),"
            " COUNT(*), COALESCE(SUM(size), 0), COALESCE(SUM(LENGTH(CAST(json AS BLOB))), 0)"
            " FROM instances JOIN metadata USING (id) WHERE store = :store AND deleted_at IS NULL"
            " AND (:study IS NULL OR study_uid = :study)"
            " AND (:series IS NULL OR series_uid = :series)",
            {"store": store, "study": study, "series": series},
        )
        return Size(*found.fetchone())

    def remove(self, instances: Iterable[StoredInstance], *, listed_from: float | None) -> None:
        """Remove instances, all at once.

        With ``listed_from`` (seconds, monotonic) searches go on to list them until `purge`.
        """
        statement = "DELETE FROM instances WHERE id = ?"
        parameters: tuple[float, ...] = ()
        if listed_from is not None:
            statement = "UPDATE instances SET deleted_at = ? WHERE id = ?"
            parameters = (listed_from,)
        with self._transaction():
            for instance in instances:
                self._connection.execute(statement, (*parameters, instance.number))

    def purge(self, until: float) -> None:
        """Let searches forget what was removed at this time or earlier."""
        self._connection.execute("DELETE FROM instances WHERE deleted_at <= ?", (until,))

    def add(self, store: int, instances: Iterable[ParsedInstance]) -> None:
        """Add instances that the store does not hold, all at once."""
        with self._transaction():
            for instance in instances:
                values = {
                    "store": store,
                    **instance.address._asdict(),
                    **instance.rows._asdict(),
                    **instance.search_keys,
                    "transfer_syntax_uid": instance.transfer_syntax_uid,
                    "size": instance.size,
                    "metadata": instance.metadata,
                }
                for statement in _INSERTIONS:
                    self._connection.execute(statement, values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
