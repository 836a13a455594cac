"""The one part of a ``multipart/related`` body (PS3.18 section 8.6.1.2), while it arrives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.parser import BytesHeaderParser

from reconciler.live.http.faults import AttemptError, Fault, NoAnswerError
from reconciler.live.http.numbers import read_number
from reconciler.live.store import Body

_LONGEST_HEAD = 64 * 1024
_END = b"--"
_BOUNDARY = re.compile(
    r""";\s*boundary=(?:"(?P<quoted>[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-])"|"""
    r"""(?P<plain>[\w'()+,./:=?-]{1,70}))\s*(?:;|$)""",
    re.ASCII | re.IGNORECASE,
)
"""RFC 2046 section 5.1.1; also what ought to be in quotes and is not."""


def read_single_part(content_type: str, chunks: Iterator[bytes]) -> Body:
    """Read the headers of the only part; its chunks raise `AttemptError` before another part.

    ``content_type`` is the header of the whole, ``chunks`` its body; at no time is more of it in
    memory than two chunks.

    Raises:
        AttemptError: it is not a multipart body that begins with a part.
    """
    text = _Text(chunks)
    delimiter = b"\r\n--" + _boundary(content_type)
    text.take_until(delimiter)
    # The line of a delimiter may end in white space (RFC 2046 section 5.1.1).
    if text.take_until(b"\r\n").strip(b" \t"):
        raise AttemptError("the multipart answer holds no part")
    text.put_back(b"\r\n")
    headers = BytesHeaderParser().parsebytes(text.take_until(b"\r\n\r\n").lstrip(b"\r\n"))
    return Body(
        _plain(headers.get("Content-Type")),
        read_number(_plain(headers.get("Content-Length"))),
        text.until_last(delimiter),
    )


def _plain(header: object) -> str:
    """The text of a header; of one that is not ASCII the email package makes an object."""
    return header if isinstance(header, str) else ""


def _boundary(content_type: str) -> bytes:
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise AttemptError("the multipart answer names no boundary")
    return (match["quoted"] or match["plain"]).encode()


class _Text:
    """The part of the body that has arrived and is not consumed yet."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._text = b"\r\n"  # a delimiter begins with a line end, also the first one

    def take_until(self, mark: bytes) -> bytes:
        """Consume what stands before the mark, and the mark."""
        while (at := self._text.find(mark)) < 0:
            if len(self._text) > _LONGEST_HEAD:
                raise AttemptError("the multipart answer has no part within its first 64 KiB")
            self._grow()
        taken, self._text = self._text[:at], self._text[at + len(mark) :]
        return taken

    def put_back(self, text: bytes) -> None:
        """Undo the consuming of what was just taken."""
        self._text = text + self._text

    def until_last(self, delimiter: bytes) -> Iterator[bytes]:
        """The pieces before the delimiter, which must be the closing one."""
        held = len(delimiter) - 1
        while (at := self._text.find(delimiter)) < 0:
            if len(self._text) > held:
                yield self._text[:-held]
                self._text = self._text[-held:]
            self._grow()
        if at:
            yield self._text[:at]
        self._text = self._text[at + len(delimiter) :]
        while len(self._text) < len(_END):
            self._grow()
        if not self._text.startswith(_END):
            raise AttemptError("the multipart answer has more than one part", may_pass=False)
        for _ in self._chunks:
            pass

    def _grow(self) -> None:
        chunk = next(self._chunks, b"")
        if not chunk:
            raise NoAnswerError(Fault.BROKEN)
        self._text += chunk
