"""What the seal and the digest of a plan file or a manifest cover, byte by byte.

The seal covers every byte before it. The digest covers the stable part: what stands between
``"plan":`` or ``"manifest":`` and the seal, less the newlines that part its lines. No newline
stands inside of any text, so this is the canonical form that the digest was made of.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

PLAN = ',\n"plan":'
MANIFEST = ',\n"manifest":'
"""What stands before the stable part of a plan and of a manifest, and nowhere before it."""

SEAL = ',\n"seal":"sha256:'
"""What stands between the stable part and the hexadecimal digits of the seal."""

_MARKS = (PLAN.encode(), MANIFEST.encode())
_ENDING = len(SEAL) + 64 + len('"}\n')
_CHUNK = 1 << 20


class SealedBytes:
    """The bytes of a plan file while they are read; its properties count once all are."""

    def __init__(
        self, file: BinaryIO, on_progress: Callable[[int, int], None] | None = None
    ) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self._on_progress = on_progress
        self._seal = hashlib.sha256()
        self._stable = hashlib.sha256()
        self._in_plan = False
        self._before = b""
        self._ending = b""

    def chunks(self) -> Iterator[bytes]:
        """The file in pieces."""
        while chunk := self._file.read(_CHUNK):
            self._take(chunk)
            yield chunk
            if self._on_progress is not None:
                self._on_progress(self._file.tell(), self._size)

    def skip(self) -> None:
        """Take what nobody wants to read any more."""
        for _ in self.chunks():
            pass

    @property
    def has_seal(self) -> bool:
        """Whether the file ends in a seal, be it the right one or not."""
        return self._ending.startswith(SEAL.encode())

    @property
    def is_whole(self) -> bool:
        """Whether the file ends in the seal of what stands before it."""
        return self._ending == f'{SEAL}{self._seal.hexdigest()}"}}\n'.encode()

    @property
    def digest(self) -> str:
        """The sha256 of the stable part."""
        return self._stable.hexdigest()

    def _take(self, chunk: bytes) -> None:
        whole = self._ending + chunk
        covered, self._ending = whole[:-_ENDING], whole[-_ENDING:]
        self._seal.update(covered)
        if self._in_plan:
            self._stable.update(covered.replace(b"\n", b""))
            return
        # The mark may be cut in two by the end of a piece.
        self._before = self._before[1 - max(map(len, _MARKS)) :] + covered
        for one in _MARKS:
            _, mark, begun = self._before.partition(one)
            if mark:
                self._in_plan, self._before = True, b""
                self._stable.update(begun.replace(b"\n", b""))
                return
