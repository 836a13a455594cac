"""Splits a CSV file into rows, hashing what is read."""

from __future__ import annotations

import codecs
import csv
import hashlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from reconciler.desired.problems import Problems
from reconciler.desired.progress import ReadProgress
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

    def __init__(
        self, stream: BinaryIO, path: str, problems: Problems, progress: ReadProgress
    ) -> None:
        self._stream = stream
        self._progress = progress
        self._path = path
        self._problems = problems
        self.digest = hashlib.sha256()
        self.count = 0

    def rows(self) -> Iterator[Row]:
        """The rows, header included; malformed lines are reported and left out.

        Raises:
            NotRows: a line is longer than any row can be.
        """
        for line in self._lines():
            self.count += 1
            if len(line) >= _LONGEST_LINE:
                message = f"the line has {_LONGEST_LINE} characters or more"
                self._report(1, message, "is this the right file?")
                raise NotRows
            text = line if isinstance(line, str) else self._decoded(line)
            if text is None:
                continue
            cells = text.split(",") if '"' not in text else self._quoted(text)
            if cells is not None:
                yield Row(self.count, text, cells)

    def skip(self) -> None:
        """Hash what is left."""
        while chunk := self._stream.read(_CHUNK):
            self.digest.update(chunk)

    def _lines(self) -> Iterator[str | bytes]:
        """The lines without their ends, as bytes near one that is not UTF-8.

        Of a line that is too long comes its beginning.
        """
        rest, mark = b"", codecs.BOM_UTF8
        while chunk := self._stream.read(_CHUNK):
            self.digest.update(chunk)
            self._progress.read(len(chunk))
            whole, newline, rest = (rest + chunk).removeprefix(mark).rpartition(b"\n")
            mark = b""
            if newline:
                yield from _split(whole)
            if len(rest) >= _LONGEST_LINE:
                break
        if rest:
            yield from _split(rest)

    def _decoded(self, line: bytes) -> str | None:
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            self._report(error.start + 1, f"byte 0x{line[error.start]:02x} is not text in UTF-8")
            return None

    def _quoted(self, text: str) -> list[str] | None:
        try:
            return next(csv.reader([text], strict=True))
        except csv.Error:
            self._report(1, "the quotes of the row do not match", "a UID needs no quotes")
            return None

    def _report(self, column: int, message: str, hint: str | None = None) -> None:
        source = Source(self._path, self.count, column)
        self._problems.error(Rule.INVENTORY_ROW, source, message, hint)


def _split(lines: bytes) -> list[str] | list[bytes]:
    lines = lines.replace(b"\r\n", b"\n").removesuffix(b"\r")
    try:
        return lines.decode().split("\n")
    except UnicodeDecodeError:
        return lines.split(b"\n")
