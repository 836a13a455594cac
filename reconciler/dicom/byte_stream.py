"""The bytes of a dataset as they come, of which a walk looks at few and skips the rest."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

_INFLATED = 256 * 1024
"""Bytes that are inflated at a time, however well they are compressed."""


class DamagedError(Exception):
    """The dataset is not whole; ``str`` says how and quotes nothing of it."""


class ByteStream:
    """``data`` is what of the pieces is in memory, ``at`` how much of it is read.

    ``gone`` is how many bytes stood before it.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.gone = 0
        self.data = b""
        self.at = 0

    @property
    def position(self) -> int:
        """How many bytes are read or skipped."""
        return self.gone + self.at

    def has(self, count: int) -> bool:
        """Bring the next bytes, which should be few, into ``data``; whether there are so many."""
        while len(self.data) - self.at < count:
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self.gone += self.at
            self.data = self.data[self.at :] + piece
            self.at = 0
        return True

    def skip(self, count: int) -> bool:
        """Go on by so many bytes, or to the end if there are fewer; whether there were so many."""
        self.at += count
        while self.at > len(self.data):
            piece = next(self._pieces, None)
            if piece is None:
                self.at = len(self.data)
                return False
            self.gone += len(self.data)
            self.at -= len(self.data)
            self.data = piece
        return True


def inflate(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Inflate a compressed dataset (PS3.5 section A.5) in pieces of at most `_INFLATED` bytes.

    What follows its end is padding, or the checksum that some writers leave there.

    Raises:
        DamagedError: it cannot be inflated, or does not end.
    """
    inflator = zlib.decompressobj(-zlib.MAX_WBITS)
    for piece in pieces:
        rest, more = piece, True
        while more and not inflator.eof:
            try:
                inflated = inflator.decompress(rest, _INFLATED)
            except zlib.error:
                raise DamagedError("its deflated dataset cannot be inflated") from None
            rest = inflator.unconsumed_tail
            # A full piece may have left bytes inside the inflator, with nothing left to feed it.
            more = bool(rest) or len(inflated) == _INFLATED
            if inflated:
                yield inflated
    if not inflator.eof:
        raise DamagedError("its deflated dataset does not end")
