"""One DICOM file as the body of a request that stores it, read while it is sent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import BinaryIO

_CHUNK = 256 * 1024


class FileBody:
    """The bytes of the file, of known length; ``content_type`` is the header's text."""

    content_type = "application/dicom"

    def __init__(self, file: BinaryIO, *, head: bytes = b"", tail: bytes = b"") -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._head = head
        self._tail = tail

    def __len__(self) -> int:
        """The length of the whole body in bytes, for Content-Length."""
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        """The body in pieces; it breaks off if the file has become shorter.

        Raises:
            OSError: the file cannot be read.
        """
        yield self._head
        left = self._size
        self._file.seek(0)
        while left and (chunk := self._file.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
        if left:
            raise OSError("the file became shorter while it was sent")
        yield self._tail


class MultipartFile(FileBody):
    """A ``multipart/related`` body of one part (PS3.18 section 8.6.1.2).

    The boundary is made of what the system knows of the file, so that it needs no randomness;
    whether the file holds it, which would take 2¹²⁸ tries to bring about, is not looked for.
    """

    def __init__(self, file: BinaryIO) -> None:
        status = os.fstat(file.fileno())
        known = f"{status.st_dev}:{status.st_ino}:{status.st_mtime_ns}:{status.st_size}"
        name = hashlib.sha256(known.encode()).hexdigest()[:32]
        boundary = f"reconciler-{name}"
        self.content_type = f'multipart/related; type="application/dicom"; boundary={boundary}'
        super().__init__(
            file,
            head=f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode(),
            tail=f"\r\n--{boundary}--\r\n".encode(),
        )
