"""Rows → text: a table for people, JSON, JSON lines and CSV (RFC 4180) for machines."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import assert_never

from reconciler.model.row import Blob, Row, Value
from reconciler.reporting.export.shown import as_csv_cell, as_no_formula, shown


def rows_as_table(names: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """Columns as wide as they need to be; what is not printable is escaped, nothing is cut."""
    cells = [list(names), *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip() + "\n"
        if number == 0:
            yield "  ".join("-" * width for width in widths) + "\n"


def rows_as_jsonl(names: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """One JSON object a line."""
    for row in rows:
        yield from _object(names, row)
        yield "\n"


def rows_as_json(names: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """One JSON array."""
    separator = "[\n"
    for row in rows:
        yield separator
        yield from _object(names, row)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def rows_as_csv(names: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """A header and a record for each row, no field of it a formula; null is an empty field."""
    yield ",".join(map(as_csv_cell, names)) + "\r\n"
    for row in rows:
        for number, name in enumerate(names):
            yield "," if number else ""
            yield from _field(row[name])
        yield "\r\n"


ROW_FORMATS: Mapping[str, Callable[[Sequence[str], Iterable[Row]], Iterator[str]]] = {
    "table": rows_as_table,
    "json": rows_as_json,
    "jsonl": rows_as_jsonl,
    "csv": rows_as_csv,
}


def _cell(value: Value) -> str:
    match value:
        case None:
            return "null"
        case str():
            return shown(value)
        case int():
            return str(value)
        case ():
            return "[]"
        case Blob():
            return f"<{value.size} bytes>"
        case _:
            assert_never(value)


def _object(names: Sequence[str], row: Row) -> Iterator[str]:
    for number, name in enumerate(names):
        yield f"{', ' if number else '{'}{json.dumps(name)}: "
        value = row[name]
        if isinstance(value, Blob):
            yield '"'
            yield from _base64(value)
            yield '"'
        else:
            yield json.dumps(value)
    yield "}"


def _field(value: Value) -> Iterator[str]:
    match value:
        case Blob():
            yield from as_no_formula(_base64(value))
        case None:
            yield ""
        case ():
            yield "[]"
        case str() | int():
            yield as_csv_cell(str(value))
        case _:
            assert_never(value)


def _base64(blob: Blob) -> Iterator[str]:
    for piece in blob.pieces:
        yield b64encode(piece).decode("ascii")
