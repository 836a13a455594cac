"""The rows of a search answer (PS3.18 section 10.6, DICOM JSON of annex F), one by one."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from reconciler.live.faults import AttemptError
from reconciler.model.address import InstanceAddress, is_uid
from reconciler.model.live import SeriesListing

STUDY_INSTANCE_UID = "0020000D"
SERIES_INSTANCE_UID = "0020000E"
SOP_INSTANCE_UID = "00080018"
MODALITY = "00080060"
STUDY_RELATED_SERIES = "00201206"
STUDY_RELATED_INSTANCES = "00201208"
SERIES_RELATED_INSTANCES = "00201209"

_MODALITY = re.compile(r"[A-Z0-9_ ]{1,16}")
"""PS3.5 section 6.2: a Code String; whatever else stands there is not passed on."""

_LONGEST_ROW = 16 * 1024 * 1024  # characters
_SPACE = " \t\r\n"


def read_addresses(chunks: Iterator[bytes]) -> Iterator[InstanceAddress]:
    """Read the three UIDs of each row, and nothing else of it.

    Raises:
        AttemptError: the body is not an array of datasets that name them.
    """
    for row in read_rows(chunks):
        yield InstanceAddress(
            _uid(row, STUDY_INSTANCE_UID),
            _uid(row, SERIES_INSTANCE_UID),
            _uid(row, SOP_INSTANCE_UID),
        )


def read_studies(chunks: Iterator[bytes]) -> Iterator[str]:
    """Read the Study Instance UID of each row. Raises as `read_addresses`."""
    for row in read_rows(chunks):
        yield _uid(row, STUDY_INSTANCE_UID)


def read_series(chunks: Iterator[bytes]) -> Iterator[SeriesListing]:
    """Read what identifies each series and what is in it. Raises as `read_addresses`."""
    for row in read_rows(chunks):
        yield SeriesListing(
            _uid(row, SERIES_INSTANCE_UID), _modality(row), _count(row, SERIES_RELATED_INSTANCES)
        )


def read_counts(chunks: Iterator[bytes], tag: str) -> Iterator[int]:
    """Read the number under a tag of each row; 0 where none stands. Raises as `read_addresses`."""
    for row in read_rows(chunks):
        yield _count(row, tag) or 0


def read_rows(chunks: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """Decode an array of objects while it arrives, without ever holding two of them.

    Decoding row by row costs a seventh of decoding the whole: most of that is Python's garbage
    collector walking fresh dicts.

    Raises:
        AttemptError: the body is not JSON, or not an array of objects.
    """
    window = _Window(chunks)
    window.expect("[")
    if window.peek() == "]":
        window.expect("]")
    else:
        yield window.take_object()
        while window.peek() == ",":
            window.expect(",")
            yield window.take_object()
        window.expect("]")
    window.expect("")


def _uid(row: dict[str, Any], tag: str) -> str:
    match row.get(tag):
        case {"Value": [str(uid)]} if is_uid(uid):
            return uid
    raise AttemptError(f"the search answered with a row whose {tag} is not a UID")


def _modality(row: dict[str, Any]) -> str | None:
    match row.get(MODALITY):
        case {"Value": [str(code)]} if _MODALITY.fullmatch(code):
            return code
    return None


def _count(row: dict[str, Any], tag: str) -> int | None:
    """A number: an IS, which some servers write as a string (PS3.18 annex F)."""
    match row.get(tag):
        case {"Value": [int() | str() as count]} if str(count).isdecimal():
            return int(count)
    return None


def _malformed() -> AttemptError:
    return AttemptError("the search did not answer with a JSON array of datasets")


class _Window:
    """The part of the text that has arrived and is not decoded yet."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._object = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        self._ended = False

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._grow(1):
                return ""

    def expect(self, character: str) -> None:
        """Consume this character; the empty one is the end."""
        if self.peek() != character:
            raise _malformed()
        self._at += 1

    def take_object(self) -> dict[str, Any]:
        """Consume one object."""
        if self.peek() != "{":
            raise _malformed()
        while True:
            try:
                row, self._at = self._object(self._text, self._at)
            except RecursionError:
                raise _malformed() from None
            except ValueError:
                # Cut off, so far as is known; doubling keeps a long row from costing its square.
                if not self._grow(len(self._text) - self._at):
                    raise _malformed() from None
            else:
                assert isinstance(row, dict)  # noqa: S101 - it starts with a brace
                return row

    def _grow(self, least: int) -> bool:
        """Let at least so many more characters arrive; False if nothing more comes."""
        pieces = [self._text[self._at :]]
        arrived = 0
        while arrived < least and not self._ended:
            pieces.append(self._arrive())
            arrived += len(pieces[-1])
        self._text, self._at = "".join(pieces), 0
        if len(self._text) > _LONGEST_ROW + least:
            raise _malformed()
        return arrived > 0

    def _arrive(self) -> str:
        chunk = next(self._chunks, None)
        self._ended = chunk is None
        try:
            return self._decode(chunk or b"", final=self._ended)
        except UnicodeDecodeError:
            raise _malformed() from None
