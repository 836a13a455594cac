"""The file of a run: segments of records, each chained to the one before by its header.

A segment is what was written at once. Its first line is its header, ``{"type":"segment",…}``, with
its number from 0 and the SHA-256 of all bytes of the segment before it (null in the first). The
other lines are records: one JSON object each, in ASCII, with a newline at its end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.journal.codec import to_text
from reconciler.journal.records import Record

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().raw_decode
_HEADER = b'{"type":"segment",'


@dataclass(frozen=True, slots=True)
class Segment:
    """The header of a segment."""

    number: int
    """The number of the segment, from 0."""
    previous: str | None
    """The SHA-256 of the previous segment; null in the first."""


def line_of(record: Record) -> bytes:
    """The record as a line.

    Control characters and all that is not ASCII are escaped, so that nothing breaks a line.

    Raises:
        ValueError: its time has no time zone.
    """
    return to_text(record).encode("ascii") + b"\n"


def json_line(members: Mapping[str, object]) -> bytes:
    """A JSON object as a line, in ASCII."""
    return _encode(members).encode("ascii") + b"\n"


def is_header(line: bytes) -> bool:
    """Whether a line begins as the header of a segment does, which no record does."""
    return line.startswith(_HEADER)


def fields_of(line: bytes) -> Mapping[str, object] | None:
    """The JSON object of a line; None if the line is torn: no newline, or no JSON.

    Raises:
        ValueError: it is JSON, but not an object, or something follows the object. A torn write
            does not end so; a newline that was changed does.
    """
    try:
        text = line.decode("ascii")
        fields, end = _decode(text)
    except (ValueError, RecursionError):
        return None
    if end == len(text):
        return None
    if text[end:] != "\n" or not isinstance(fields, dict):
        raise ValueError("the line is not one JSON object")
    return fields


def header_of(number: int, previous: bytes | None) -> bytes:
    """The header of the segment with this number, after the one with these bytes."""
    hashed = None if previous is None else hashlib.sha256(previous).hexdigest()
    return json_line({"type": "segment", "number": number, "previous": hashed})


class SegmentWriter:
    """Makes the segments of one run."""

    def __init__(self) -> None:
        self._number = 0
        self._previous: bytes | None = None

    def make(self, lines: Sequence[bytes]) -> bytes:
        """The next segment, of these records."""
        segment = b"".join([header_of(self._number, self._previous), *lines])
        self._number += 1
        self._previous = segment
        return segment


class SegmentChecker:
    """Holds the headers of a run's segments against their bytes, as they are read."""

    def __init__(self) -> None:
        self.count = 0
        """Of the segments that have begun."""
        self._hash = hashlib.sha256()

    def take(self, line: bytes) -> None:
        """Take a line that is no header."""
        self._hash.update(line)

    def begin(self, line: bytes, header: Mapping[str, object]) -> None:
        """Take a header, which ends the segment before.

        Raises:
            ValueError: it is not what follows on that segment.
        """
        if header.get("number") != self.count:
            raise ValueError(f"segment {self.count} is due, and not {header.get('number')!r}")
        previous = self._hash.hexdigest() if self.count else None
        if header.get("previous") != previous:
            raise ValueError("the chain is broken: the previous segment was modified")
        self.count += 1
        self._hash = hashlib.sha256(line)
