"""Reads an inventory: a CSV file with one instance a row, hashed while it is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.desired.inventory.csv_rows import CsvLines, NotRows, Row
from reconciler.desired.inventory.listing import Listing, warn_of_leading_zero
from reconciler.desired.problems import Problems
from reconciler.desired.progress import ReadProgress
from reconciler.desired.project_paths import is_pointer, report_pointer
from reconciler.desired.rules import Rule
from reconciler.desired.wording import quoted, uid_fault
from reconciler.errors import DesiredStateError
from reconciler.model.address import SeriesAddress, is_uid
from reconciler.model.desired import InstanceList
from reconciler.model.problem import Source
from reconciler.regular_file import open_regular

COLUMNS = ("studiesId", "seriesId", "instancesId")
"""The columns, in any order."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What an inventory lists, by series in the file's order.

    ``count`` is the number of its data rows, None if it is not made of rows; ``is_pointer`` says
    that a Git LFS pointer stands in its place.
    """

    path: str
    sha256: str
    count: int | None
    series: dict[SeriesAddress, InstanceList]
    is_pointer: bool = False


def read_inventory(
    file: Path, path: str, problems: Problems, progress: ReadProgress | None = None
) -> Inventory:
    """Read a whole inventory; ``path`` is its name relative to the project's root.

    Raises:
        OSError: the file cannot be read.
    """
    with open_regular(file) as stream:
        lines = CsvLines(stream, path, problems, progress or ReadProgress())
        reader = _Reader(path, problems)
        count: int | None = None
        try:
            reader.read(lines.rows())
            count = lines.count - 1
        except NotRows:
            lines.skip()
        listed = reader.finished()
        return Inventory(path, lines.digest.hexdigest(), count, listed, reader.is_pointer)


class _Reader:
    """Turns rows into listings by series."""

    def __init__(self, path: str, problems: Problems) -> None:
        self._path = path
        self._problems = problems
        self.is_pointer = False
        self._listings: dict[SeriesAddress, Listing] = {}

    def read(self, rows: Iterator[Row]) -> None:
        header = next(rows, Row(1, "", [""]))
        if not self._is_header(header):
            raise NotRows
        study, series, instance = (header.cells.index(name) for name in COLUMNS)
        before, listing, column = ("", ""), Listing(), 0
        for row in rows:
            line, text, cells = row
            if len(cells) != len(COLUMNS) or not is_uid(cells[instance]):
                self._report_row(row, header.cells)
                continue
            # Neighbours share study and series: checked, looked up and measured once for all.
            if before != (cells[study], cells[series]):
                if not (is_uid(cells[study]) and is_uid(cells[series])):
                    self._report_row(row, header.cells)
                    continue
                before = (cells[study], cells[series])
                listing = self._listing(row, SeriesAddress(*before))
                column = sum(len(cell) + 1 for cell in cells[:instance]) + 1
            at = row.column(instance) if '"' in text else column
            listing.add(cells[instance], line, at)

    def finished(self) -> dict[SeriesAddress, InstanceList]:
        return {
            series: listing.finished(self._path, self._problems)
            for series, listing in self._listings.items()
        }

    def _listing(self, row: Row, series: SeriesAddress) -> Listing:
        listing = self._listings.get(series)
        if listing is None:
            listing = self._listings[series] = Listing()
            for uid in series:
                source = Source(self._path, row.line, row.column(row.cells.index(uid)))
                warn_of_leading_zero(uid, source, self._problems)
        return listing

    def _is_header(self, row: Row) -> bool:
        if sorted(row.cells) == sorted(COLUMNS):
            return True
        if is_pointer(row.text):
            self.is_pointer = True
            report_pointer(Source(self._path, row.line), self._path, self._problems)
            return False
        odd = next((i for i, cell in enumerate(row.cells) if cell and cell not in COLUMNS), None)
        if odd is not None:
            at, message = odd, f"{quoted(row.cells[odd])} is not a column of an inventory"
        else:
            at, message = 0, "the header does not name each column exactly once"
        hint = f"the header is {','.join(COLUMNS)} in any order, separated by commas"
        self._report(Rule.INVENTORY_HEADER, row, at, message, hint)
        return False

    def _report_row(self, row: Row, names: list[str]) -> None:
        if len(row.cells) != len(COLUMNS):
            found = f"{len(row.cells)} cells" if row.text else "no cell"
            message = f"the row has {found}; it needs {len(COLUMNS)}"
            hint = "remove empty rows; every row names one instance"
            self._report(Rule.INVENTORY_ROW, row, 0, message, hint)
            return
        for index, (name, cell) in enumerate(zip(names, row.cells, strict=True)):
            if not cell:
                hint = "every row names one instance in full"
                self._report(Rule.INVENTORY_ROW, row, index, f"{name} is empty", hint)
            elif not is_uid(cell):
                self._report(Rule.INVALID_UID, row, index, *uid_fault(cell))

    def _report(self, rule: Rule, row: Row, index: int, message: str, hint: str) -> None:
        source = Source(self._path, row.line, row.column(index))
        self._problems.error(rule, source, message, hint)


def read_list(file: Path) -> dict[SeriesAddress, tuple[str, ...]]:
    """The instances that a CSV file of an inventory's form lists, by series; nothing is pinned.

    Raises:
        DesiredStateError: it is not of that form; with every problem.
        OSError: it cannot be read.
    """
    problems = Problems()
    inventory = read_inventory(file, file.as_posix(), problems)
    if problems.has_errors:
        raise DesiredStateError(problems.sorted())
    return {series: listed.uids for series, listed in inventory.series.items()}
