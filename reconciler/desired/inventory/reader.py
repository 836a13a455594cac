"""Reads an inventory: a CSV file with one instance, series or study a row, hashed while read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.desired.inventory.csv_rows import CsvLines, NotRows, Row
from reconciler.desired.inventory.listing import (
    Listing,
    TargetList,
    has_leading_zero,
    warn_of_leading_zero,
)
from reconciler.desired.inventory.spilled import SpilledRows
from reconciler.desired.problems import Problems
from reconciler.desired.progress import ReadProgress
from reconciler.desired.project_paths import is_pointer, report_pointer
from reconciler.desired.rules import Rule
from reconciler.desired.wording import uid_fault
from reconciler.model.address import SeriesAddress, is_uid
from reconciler.model.desired import InstanceList
from reconciler.model.patient import is_seen
from reconciler.model.problem import Source
from reconciler.regular_file import open_regular

LEVELS = ("studiesId", "seriesId", "instancesId")
"""The columns, in any order: the first alone, the first two, or all."""

SEEN = "seen"
"""The column that a list of studies or series may have besides: what each was when resolved."""

_NOUNS = ("study", "series", "instance")
"""What a row names, by the last of its columns."""

_COLUMNS = (*LEVELS, SEEN)
_HEADERS = [sorted(LEVELS[:depth]) for depth in (1, 2, 3)]
_HEADERS += [sorted([*LEVELS[:depth], SEEN]) for depth in (1, 2)]


@dataclass(frozen=True, slots=True)
class Inventory:
    """What an inventory lists, in the file's order: instances by series, or series, or studies.

    ``targets`` are the series or studies that rows name as a whole; ``count`` is the number of its
    data rows, None if it is not made of rows; ``is_pointer`` says that a Git LFS pointer stands in
    its place.
    """

    path: str
    sha256: str
    count: int | None
    series: dict[SeriesAddress, InstanceList]
    targets: TargetList
    is_pointer: bool = False


def _noun(names: Collection[str]) -> str:
    return _NOUNS[sum(level in names for level in LEVELS) - 1]


def read_inventory(
    file: Path,
    path: str,
    problems: Problems,
    progress: ReadProgress | None = None,
    rows: SpilledRows | None = None,
) -> Inventory:
    """Read a whole inventory; ``path`` is its name relative to the project's root.

    With ``rows`` these take what it lists, and the result holds none of it.

    Raises:
        OSError: the file cannot be read.
    """
    with open_regular(file) as stream:
        lines = CsvLines(stream, path, problems, progress or ReadProgress())
        reader = _Reader(path, problems, rows)
        count: int | None = None
        try:
            reader.read(lines.rows())
            count = lines.count - 1
        except NotRows:
            lines.skip()
        listed = reader.finished()
        digest = lines.digest.hexdigest()
        return Inventory(path, digest, count, listed, reader.targets, reader.is_pointer)


class _Reader:
    """Turns rows into listings by series, or into targets."""

    def __init__(self, path: str, problems: Problems, rows: SpilledRows | None) -> None:
        self._path = path
        self._problems = problems
        self._rows = rows
        self.is_pointer = False
        self.targets = TargetList()
        self._listings: dict[SeriesAddress, Listing] = {}
        self._warned: set[str] = set()

    def read(self, rows: Iterator[Row]) -> None:
        header = next(rows, Row(1, "", [""]))
        if not self._is_header(header):
            raise NotRows
        if LEVELS[-1] in header.cells:
            self._read_instances(header, rows)
        else:
            self._read_targets(header, rows)

    def _read_targets(self, header: Row, rows: Iterator[Row]) -> None:
        names = [name for name in LEVELS if name in header.cells]
        places = [header.cells.index(name) for name in names]
        seen = header.cells.index(SEEN) if SEEN in header.cells else None
        self.targets.seen = None if seen is None else []
        before = ""
        for row in rows:
            if len(row.cells) != len(header.cells):
                self._report_row(row, header.cells)
                continue
            study, *below = uids = [row.cells[place] for place in places]
            if not all(map(is_uid, uids)) or (seen is not None and not is_seen(row.cells[seen])):
                self._report_row(row, header.cells)
                continue
            if study == before:
                study = before  # neighbours share its text
            column = row.column(places[-1])
            self._warn_of_leading_zeros(row, uids)
            said = None if seen is None else row.cells[seen]
            if self._rows is None:
                self.targets.add(study, *below, line=row.line, column=column, seen=said)
            else:
                self._rows.take_target(
                    self._path, study, *below, place=(row.line, column), seen=said
                )
            before = study

    def _read_instances(self, header: Row, rows: Iterator[Row]) -> None:
        study, series, instance = (header.cells.index(name) for name in LEVELS)
        before, listing, column = ("", ""), Listing(), 0
        for row in rows:
            line, text, cells = row
            if len(cells) != len(LEVELS) or not is_uid(cells[instance]):
                self._report_row(row, header.cells)
                continue
            # Neighbours share study and series: checked, looked up and measured once for all.
            if before != (cells[study], cells[series]):
                if not (is_uid(cells[study]) and is_uid(cells[series])):
                    self._report_row(row, header.cells)
                    continue
                self._spill(before, listing)
                before = (cells[study], cells[series])
                listing = self._listing(row, SeriesAddress(*before))
                column = sum(len(cell) + 1 for cell in cells[:instance]) + 1
            at = row.column(instance) if '"' in text else column
            listing.add(cells[instance], line, at)
        self._spill(before, listing)

    def _spill(self, series: tuple[str, str], listing: Listing) -> None:
        if self._rows is not None and listing.uids:
            self._rows.take_listing(self._path, series, listing)
            del self._listings[SeriesAddress(*series)]

    def finished(self) -> dict[SeriesAddress, InstanceList]:
        self.targets = self.targets.finished(self._path, self._problems)
        return {
            series: listing.finished(self._path, self._problems)
            for series, listing in self._listings.items()
        }

    def _listing(self, row: Row, series: SeriesAddress) -> Listing:
        listing = self._listings.get(series)
        if listing is None:
            listing = self._listings[series] = Listing()
            self._warn_of_leading_zeros(row, series)
        return listing

    def _warn_of_leading_zeros(self, row: Row, uids: Iterable[str]) -> None:
        for uid in filter(has_leading_zero, uids):
            if uid in self._warned:
                continue
            self._warned.add(uid)
            source = Source(self._path, row.line, row.column(row.cells.index(uid)))
            warn_of_leading_zero(uid, source, self._problems)

    def _is_header(self, row: Row) -> bool:
        if sorted(row.cells) in _HEADERS:
            return True
        if is_pointer(row.text):
            self.is_pointer = True
            report_pointer(Source(self._path, row.line), self._path, self._problems)
            return False
        odd = next((i for i, cell in enumerate(row.cells) if cell and cell not in _COLUMNS), None)
        if odd is not None:
            # Unquoted: without a header, the first line of another list may name a patient.
            at, message = odd, "this is not a column of an inventory"
        else:
            at, message = 0, "the header does not name each column that it needs exactly once"
        hint = (
            f"the header is {','.join(LEVELS)} in any order, separated by commas; without"
            f" {LEVELS[2]} a row means the whole series, with {LEVELS[0]} alone the whole study;"
            " reconciler import --column reads a list of another form"
        )
        self._report(Rule.INVENTORY_HEADER, row, at, message, hint)
        return False

    def _report_row(self, row: Row, names: list[str]) -> None:
        noun = _noun(names)
        if len(row.cells) != len(names) or not row.text:
            count = len(row.cells) if row.text else 0
            found = f"{count or 'no'} cell{'s' * (count > 1)}"
            message = f"the row has {found}; it needs {len(names)}"
            hint = f"remove empty rows; every row names one {noun}"
            self._report(Rule.INVENTORY_ROW, row, 0, message, hint)
            return
        for index, (name, cell) in enumerate(zip(names, row.cells, strict=True)):
            if not cell:
                hint = f"every row names one {noun} in full"
                self._report(Rule.INVENTORY_ROW, row, index, f"{name} is empty", hint)
            elif name == SEEN and not is_seen(cell):
                message, hint = "this is not what resolve writes", "resolve the list again"
                self._report(Rule.INVENTORY_ROW, row, index, message, hint)
            elif name != SEEN and not is_uid(cell):
                self._report(Rule.INVALID_UID, row, index, *uid_fault(cell))

    def _report(self, rule: Rule, row: Row, index: int, message: str, hint: str) -> None:
        source = Source(self._path, row.line, row.column(index))
        self._problems.error(rule, source, message, hint)
