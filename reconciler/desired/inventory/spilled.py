"""The rows of inventories outside of memory, to be taken back study by study, in sorted order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reconciler.desired.inventory.listing import Listing
from reconciler.outside_memory import Database

WEIGHT_OF_TARGET = 500
"""What a series or study that is named as a whole counts for, in instances named one by one."""


class Run(NamedTuple):
    """Rows of one inventory that follow each other and name instances of one series, or a target.

    ``series_uid`` None is a whole study; ``listing`` None a whole series or study, at ``place``,
    its line and column.
    """

    path: str
    study_uid: str
    series_uid: str | None
    place: tuple[int, int]
    listing: Listing | None
    seen: str | None


_INSERT = "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class SpilledRows:
    """Takes rows as they are read; most inventories are sorted, so that a run is a series."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.execute(
            "CREATE TABLE runs (path TEXT, study TEXT, series TEXT, line INTEGER, column INTEGER,"
            " weight INTEGER, seen TEXT, uids TEXT, lines BLOB, columns BLOB)"
        )

    def take_listing(self, path: str, series: tuple[str, str], listing: Listing) -> None:
        """Take instances of a series."""
        self._take(
            (path, *series, listing.lines[0], listing.columns[0], len(listing.uids), None),
            ("\n".join(listing.uids), listing.lines.tobytes(), listing.columns.tobytes()),
        )

    def take_target(
        self,
        path: str,
        study: str,
        series: str | None = None,
        *,
        place: tuple[int, int],
        seen: str | None,
    ) -> None:
        """Take a series or study that is named as a whole."""
        self._take((path, study, series, *place, WEIGHT_OF_TARGET, seen), (None, None, None))

    def _take(self, head: tuple[object, ...], listing: tuple[object, ...]) -> None:
        self._database.execute(_INSERT, head + listing)

    def sort(self) -> None:
        """Make ready for what is asked by studies, once all is taken."""
        self._database.execute("CREATE INDEX by_study ON runs (study, series, path, line)")

    def paths(self) -> frozenset[str]:
        """The inventories that list anything."""
        return frozenset(
            path for (path,) in self._database.execute("SELECT DISTINCT path FROM runs")
        )

    def studies(self, paths: Sequence[str]) -> Iterator[tuple[str, int]]:
        """The studies of these inventories, sorted, each with what its rows weigh."""
        return self._database.execute(
            f"SELECT study, SUM(weight) FROM runs WHERE path IN ({_marks(paths)})"  # noqa: S608 - only marks
            " GROUP BY study ORDER BY study",
            paths,
        )

    def between(self, first: str, last: str, paths: Sequence[str]) -> Iterator[Run]:
        """The runs of these inventories on the studies from the first to the last, sorted."""
        found = self._database.execute(
            "SELECT path, study, series, line, column, seen, uids, lines, columns FROM runs"  # noqa: S608 - only marks
            f" WHERE study BETWEEN ? AND ? AND path IN ({_marks(paths)})"
            " ORDER BY study, series, path, line",
            (first, last, *paths),
        )
        for path, study, series, line, column, seen, uids, lines, columns in found:
            listing = None if uids is None else _listing(uids, lines, columns)
            yield Run(path, study, series, (line, column), listing, seen)


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _listing(uids: str, lines: bytes, columns: bytes) -> Listing:
    listing = Listing(uids.split("\n"))
    listing.lines.frombytes(lines)
    listing.columns.frombytes(columns)
    return listing
