"""Reads the UIDs of a list that a RIS, a VNA or a spreadsheet exported as CSV, and nothing else.

Any cell of such a file may say who a patient is: none is quoted in a message, none is kept.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

from reconciler.desired.inventory.reader import LEVELS
from reconciler.desired.problems import Problems
from reconciler.desired.project_paths import is_pointer, report_pointer
from reconciler.desired.rules import Rule
from reconciler.desired.wording import quoted
from reconciler.model.address import is_uid
from reconciler.model.problem import Source
from reconciler.regular_file import open_regular

KEYWORDS: Mapping[str, str] = dict(
    zip(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"), LEVELS, strict=True)
)
"""The keywords of the three UIDs (PS3.6), by which a column tells its level."""

_DELIMITERS = ",;\t"
SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n])"?\s*', re.IGNORECASE)
"""What Excel takes for a note to itself, above the header."""

_LONGEST_LINE = 1 << 20
"""Characters; a report in words may stand in a cell."""

_ROOTED = re.compile(r"[012]\.")
"""How a UID begins (ITU-T X.660), and no whole number does."""

_DATE = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}")
_ROUNDED = re.compile(r"[0-9]+(?:[.,][0-9]+)?E\+?[0-9]+", re.IGNORECASE)

_IDENTIFYING = {
    "a patient's name": r"patients?_?name|pat_?name|(?:sur|last|first|given|family)_?name"
    r"|(?:nach|vor)?name|patient",
    "a patient's number": r"patients?_?(?:id|no|number|identifier)|pat_?(?:id|nr)|mrn|ssn"
    r"|nhs_?(?:no|number)|patienten_?(?:id|nr|nummer)|other_?patient_?ids?",
    "a date of birth": r".*birth.*|dob|.*geburt.*",
    "an accession number": r"accession.*|acc_?(?:no|nr|number)",
}
"""What a column may say, with how its name in lower case and with ``_`` between words reads."""


class ExportedRow(NamedTuple):
    """What is read of a row, and the line at which it begins.

    ``uids`` are those of a study, of a series and its study, or of an instance and both, the study
    first.
    """

    line: int
    uids: tuple[str, ...]


def columns_by_level(asked: Sequence[str]) -> tuple[str, ...]:
    """The columns to read, that of the study first.

    Each is asked for as a DICOM keyword or parameter that is its name (``StudyInstanceUID``,
    ``studiesId``), or as ``studiesId=NAME``.

    Raises:
        ValueError: the level of one is not clear, two have one, or a higher level is missing.
    """
    columns: dict[str, str] = {}
    for text in asked:
        level, is_named, name = text.partition("=")
        level = KEYWORDS.get(level, level)
        if level not in LEVELS:
            raise ValueError(f"{text!r} does not name the level of its UIDs")
        if level in columns:
            raise ValueError(f"two columns are those of {level}")
        columns[level] = name.strip() if is_named else text
    needed = LEVELS[: len(columns)]
    for level in needed:
        if not columns.get(level):
            raise ValueError(f"the column of {level} is not named")
    return tuple(columns[level] for level in needed)


def read_exported_list(
    file: Path, path: str, columns: Sequence[str], problems: Problems
) -> Iterator[ExportedRow]:
    """The rows of the file, with the UIDs under these columns; other columns are not looked at.

    ``columns`` are those of `columns_by_level`; ``path`` names the file in the problems. Commas,
    semicolons and tabs separate, Excel's ``sep=`` may stand above the header; the text is UTF-8,
    any code page over ASCII, or UTF-16 with a byte order mark. Rows without any text are left out.
    What is not right is reported once it is reached, so nothing counts before the last row.

    Raises:
        OSError: the file cannot be read.
    """
    with open_regular(file) as stream, text_of(stream, errors="replace") as text:
        try:
            yield from _ExportedList(text, path, columns, problems).rows()
        except _NotRows:
            return


def delimiter_of(header: str, columns: Sequence[str]) -> str:
    """The comma, semicolon or tab that splits a header best: into these columns, then into many.

    Raises:
        csv.Error: its quotes do not match.
    """

    def found(delimiter: str) -> tuple[int, int]:
        cells = [cell.strip() for cell in next(csv.reader([header], delimiter=delimiter), [])]
        return sum(column in cells for column in columns), len(cells)

    return max(_DELIMITERS, key=found)


def text_of(stream: BinaryIO, *, errors: str) -> TextIO:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark."""
    mark = stream.read(2)
    stream.seek(0)
    is_wide = mark in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
    encoding = "utf-16" if is_wide else "utf-8-sig"
    return io.TextIOWrapper(stream, encoding, errors=errors, newline="")


class _NotRows(Exception):  # noqa: N818 - a way out of a wrong file, the problem is reported
    """The rest of the file is not rows."""


class _Lines:
    """The lines of the file, and those of the row that is being read."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self.first = 1
        self.row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(_LONGEST_LINE):
            self.row.append(line)
            if len(line) == _LONGEST_LINE:
                raise csv.Error("a line is too long")
            yield line

    def next_row(self) -> None:
        """Begin a row after those that were read."""
        self.first += len(self.row)
        self.row.clear()

    def place(self, index: int, delimiter: str) -> tuple[int, int]:
        """The line and the column, from 1, at which a cell of the row begins."""
        text = "".join(self.row)
        start, is_quoted = 0, False
        for at, character in enumerate(text):
            if index == 0:
                break
            if character == '"' and (is_quoted or at == start):
                is_quoted = not is_quoted
            elif character == delimiter and not is_quoted:
                index, start = index - 1, at + 1
        at = 0
        while at + 1 < len(self.row) and start >= len(self.row[at]):
            start, at = start - len(self.row[at]), at + 1
        return self.first + at, start + 1


class _ExportedList:
    """One file that is being read."""

    def __init__(self, text: TextIO, path: str, columns: Sequence[str], problems: Problems) -> None:
        self._lines = _Lines(text)
        self._path = path
        self._columns = columns
        self._problems = problems
        self._delimiter = _DELIMITERS[0]

    def rows(self) -> Iterator[ExportedRow]:
        rows = self._split()
        header = [cell.strip() for cell in next(rows, [])]
        self._require_columns(header)
        self._warn_of_identities(header)
        places = [header.index(column) for column in self._columns]
        for cells in rows:
            fits = len(cells) >= len(header) and not any(cells[len(header) :])
            uids = tuple(cells[place].strip() for place in places) if fits else ()
            if uids and all(map(_is_exported_uid, uids)):
                yield ExportedRow(self._lines.first, uids)
            elif any(map(str.strip, cells)):
                self._report_row(cells, header, places if fits else [])

    def _split(self) -> Iterator[list[str]]:
        """The rows in their cells, the header first."""
        try:
            lines = iter(self._lines)
            first = next(lines, "")
            if is_pointer(first):
                report_pointer(Source(self._path, 1), self._path, self._problems)
                raise _NotRows
            if separator := SEPARATOR_LINE.fullmatch(first):
                self._delimiter = separator[1]
                self._lines.next_row()
            else:
                self._delimiter = delimiter_of(first, self._columns)
                lines = chain([first], lines)
            reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
            for cells in reader:
                yield cells
                self._lines.next_row()
        except csv.Error as error:
            message = "the quotes of the row do not match, or it is too long"
            hint = "check that the file is CSV, as text; export the list again"
            self._report(Rule.EXPORT_ROW, self._lines.first, 1, message, hint)
            raise _NotRows from error

    def _require_columns(self, header: Sequence[str]) -> None:
        wrong = [column for column in self._columns if header.count(column) != 1]
        for column in wrong:
            count = header.count(column)
            message = f"{count or 'no'} column{'s are' if count else ' is'} named {quoted(column)}"
            hint = "the first line names the columns, separated by commas, semicolons or tabs"
            self._report(Rule.EXPORT_COLUMN, self._lines.first, 1, message, hint)
        if wrong:
            raise _NotRows

    def _warn_of_identities(self, header: Sequence[str]) -> None:
        for index, name in enumerate(header):
            spelled = re.sub(r"[^a-z0-9]+", "_", _spaced(name).lower().replace("'", "")).strip("_")
            for kind, pattern in _IDENTIFYING.items():
                if re.fullmatch(pattern, spelled):
                    place = self._lines.place(index, self._delimiter)
                    self._problems.warning(
                        Rule.EXPORT_IDENTIFIES,
                        Source(self._path, *place),
                        f"the name of this column reads like {kind}",
                        "it is not read; leave it out, or keep the file out of git,"
                        " whose history keeps everything",
                    )

    def _report_row(self, cells: list[str], header: list[str], places: list[int]) -> None:
        if not places:
            count = f"{len(cells)} cell{'s' * (len(cells) != 1)}"
            message = f"the row has {count}, and the header {len(header)}"
            hint = "a text with a separator or a line break in it needs quotes; export it again"
            self._report(Rule.EXPORT_ROW, self._lines.first, 1, message, hint)
        for column, index in zip(self._columns, places, strict=False):
            cell = cells[index].strip()
            if not _is_exported_uid(cell):
                place = self._lines.place(index, self._delimiter)
                self._report(*_fault(cell, column, place))

    def _report(self, rule: Rule, line: int, column: int, message: str, hint: str) -> None:
        self._problems.error(rule, Source(self._path, line, column), message, hint)


def _spaced(name: str) -> str:
    """``PatientBirthDate`` as ``Patient_Birth_Date``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)


def _is_exported_uid(text: str) -> bool:
    """Whether it is a UID, and not a number or a date that could pass for one."""
    return bool(is_uid(text) and _ROOTED.match(text) and not _DATE.fullmatch(text))


def _fault(cell: str, column: str, place: tuple[int, int]) -> tuple[Rule, int, int, str, str]:
    """What is wrong with a cell, without a word of it."""
    if not cell:
        message = f"the cell under {quoted(column)} is empty"
        return Rule.EXPORT_ROW, *place, message, "leave out the rows that have no UID there"
    message = f"the cell under {quoted(column)} is not a UID"
    if _ROUNDED.fullmatch(cell):
        message += ": a spreadsheet rounded it to a number"
        hint = "its digits are lost; export it again, and import the column as text if it must be"
        hint += " opened in a spreadsheet"
    elif cell.startswith("="):
        message += ": it is a formula"
        hint = 'export plain values, without ="…" around them'
    else:
        hint = "check the column: a UID is digits in groups that single dots separate"
    return Rule.INVALID_UID, *place, message, hint
