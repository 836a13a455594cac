"""One DICOM file as the body of a STOW-RS request, read while it is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

_CHUNK = 256 * 1024


class MultipartFile:
    """A ``multipart/related`` body of one part (PS3.18 section 8.6.1.2), of known length.

    The boundary is made of the file's name and size, so that it needs no randomness; whether the
    file holds it, which would take 2¹²⁸ tries to bring about, is not looked for.

    Raises:
        OSError: the file cannot be found.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._size = file.stat().st_size
        name = hashlib.sha256(f"{file.name}:{self._size}".encode()).hexdigest()[:32]
        boundary = f"reconciler-{name}"
        self.content_type = f'multipart/related; type="application/dicom"; boundary={boundary}'
        self._head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()

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
        with self._file.open("rb") as stream:
            while left and (chunk := stream.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk
        if left:
            raise OSError(f"{self._file} became shorter while it was sent")
        yield self._tail
