"""The Merkle tree over the records of a run, of RFC 9162 section 2.1.1.

A leaf is SHA-256(0x00 ‖ salt ‖ record): the record is its line without the newline, and the salt
HMAC-SHA-256 of its number (from 0, eight bytes, big-endian) with the secret of the run. So one
record can be shown to be in the record, and those beside it cannot be guessed from their hashes.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import reduce


class RecordTree:
    """The tree as it grows. Memory holds one hash for each power of two in its size."""

    def __init__(self, secret: str) -> None:
        """With the secret of the run, in hexadecimal."""
        self._secret = bytes.fromhex(secret)
        self._complete: list[bytes] = []
        self.size = 0
        """How many records it is over."""

    def add(self, line: bytes) -> None:
        """Take the next record."""
        salt = hmac.digest(self._secret, self.size.to_bytes(8, "big"), "sha256")
        node = hashlib.sha256(b"\0" + salt + line.removesuffix(b"\n")).digest()
        size = self.size
        while size & 1:
            node = _parent(self._complete.pop(), node)
            size >>= 1
        self._complete.append(node)
        self.size += 1

    @property
    def root(self) -> str:
        """The hash over all records, in hexadecimal."""
        if not self._complete:
            return hashlib.sha256().hexdigest()
        return reduce(lambda right, left: _parent(left, right), reversed(self._complete)).hex()


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()
