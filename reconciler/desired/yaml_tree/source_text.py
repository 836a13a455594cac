"""A file as text while it is parsed, hashed on the way, so that it never lies in memory whole."""

from __future__ import annotations

import codecs
import hashlib
from typing import BinaryIO

from reconciler.desired.progress import ReadProgress

_CHUNK = 1 << 16


class SourceText:
    """What a YAML parser reads from; the digest is of the very bytes that it got."""

    def __init__(self, file: BinaryIO, progress: ReadProgress | None = None) -> None:
        self._file = file
        self._progress = progress or ReadProgress()
        self._digest = hashlib.sha256()
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode

    def read(self, size: int = _CHUNK, /) -> str:
        """At least one character of the text, and about ``size``; none at its end.

        Raises:
            UnicodeDecodeError: it is not UTF-8.
        """
        while chunk := self._file.read(size):
            self._digest.update(chunk)
            self._progress.read(len(chunk))
            if text := self._decode(chunk):
                return text
        return self._decode(b"", final=True)

    def whole(self) -> bytes:
        """All bytes of the file, for someone who must show what is wrong with it."""
        self._file.seek(0)
        return self._file.read()

    def sha256(self) -> str:
        """The digest of the whole file, what the parser left unread included."""
        while chunk := self._file.read(_CHUNK):
            self._digest.update(chunk)
        return self._digest.hexdigest()
