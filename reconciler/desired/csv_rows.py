"""Splits a CSV file into rows, hashing what is read."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.model.problem import Source

_LONGEST_LINE = 4096
_CHUNK = 1 << 16


class Row(NamedTuple):
    """A line of the file in its cells."""

    line: int
    text: str
    cells: list[str]

    def column(self, index: int) -> int:
        """The column, from 1, at which a cell starts."""
        at = 0
        for cell in self.cells[:index]:
            at += len(cell) + (2 if self.text[at : at + 1] == '"' else 0) + 1
        return at + 1


class NotRows(Exception):  # noqa: N818 - a way out of a wrong file, the problem is reported
    """The rest of the file is not rows."""


class CsvLines:
    """The lines of a file, its digest and their number, in one pass."""

    def __init__(self, stream: BinaryIO, path: str, problems: Problems) -> None:
        self._stream = stream
        self._path = path
        self._problems = problems
        self.digest = hashlib.sha256()
        self.count = 0

    def rows(self) -> Iterator[Row]:
        """The rows, header included; malformed lines are reported and left out.

        Raises:
            NotRows: a line is longer than any row can be.
        """
        while line := self._stream.readline(_LONGEST_LINE):
            self.digest.update(line)
            self.count += 1
            if len(line) == _LONGEST_LINE:
                message = f"the line has {_LONGEST_LINE} characters or more"
                self._report(1, message, "is this the right file?")
                raise NotRows
            row = self._row(line)
            if row is not None:
                yield row

    def skip(self) -> None:
        """Hash what is left."""
        while chunk := self._stream.read(_CHUNK):
            self.digest.update(chunk)

    def _row(self, line: bytes) -> Row | None:
        try:
            text = line.decode("utf-8-sig" if self.count == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            self._report(error.start + 1, f"byte 0x{line[error.start]:02x} is not text in UTF-8")
            return None
        if '"' not in text:
            return Row(self.count, text, text.split(","))
        try:
            return Row(self.count, text, next(csv.reader([text], strict=True)))
        except csv.Error:
            self._report(1, "the quotes of the row do not match", "a UID needs no quotes")
            return None

    def _report(self, column: int, message: str, hint: str | None = None) -> None:
        source = Source(self._path, self.count, column)
        self._problems.error(Rule.INVENTORY_ROW, source, message, hint)
