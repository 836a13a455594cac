"""Whether a file holds what git stores as a blob, by its bytes alone.

Neither the index, which can be made to say that nothing changed, nor a filter of the repository is
asked. What git writes at checkout may differ from the blob in two ways that are explained here:

- line ends: CRLF where the blob, which has no CR at all, has LF. Both mean the same in YAML and in
  an inventory.
- Git LFS: the blob is the pointer to these very bytes, by their SHA-256 and size.

Everything else (``ident``, ``working-tree-encoding``, filters) is a difference.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from reconciler.regular_file import open_regular

_CHUNK = 1 << 18
_LENGTH_OF_SHA1 = 40


def blob_id(content: bytes, like: str) -> str:
    """The id of the blob with this content, in the object format of the id ``like``."""
    digest = _start(len(content), like)
    digest.update(content)
    return digest.hexdigest()


def is_content_of(file: Path, oid: str, *, sha256: str | None = None) -> bool:
    """Whether a file holds a blob's bytes; with ``sha256``, only if they also have that digest.

    Raises:
        OSError: it cannot be read.
    """
    with open_regular(file) as stream:
        plain = _read(stream, oid, os.fstat(stream.fileno()).st_size, _chunks)
        if sha256 is not None and plain.sha256 != sha256:
            return False
        if plain.blob == oid or _pointer_id(plain, oid) == oid:
            return True
        stream.seek(0)
        size = sum(map(len, _with_lf(stream, lambda _: None)))
        if size == plain.size:
            return False
        stream.seek(0)
        converted = _read(stream, oid, size, _with_lf)
        return converted.sha256 == plain.sha256 and converted.blob == oid


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that was read: the size and digest of its bytes, and the blob that they make."""

    size: int
    sha256: str
    blob: str


_Pieces = Callable[[BinaryIO, Callable[[bytes], None]], Iterable[bytes]]


def _read(stream: BinaryIO, like: str, size: int, pieces: _Pieces) -> _Read:
    raw = hashlib.sha256()
    blob = _start(size, like)
    total = 0
    for piece in pieces(stream, raw.update):
        blob.update(piece)
        total += len(piece)
    # A file that grows or shrinks meanwhile is no blob: its header says another size.
    return _Read(total, raw.hexdigest(), blob.hexdigest() if total == size else "")


def _chunks(stream: BinaryIO, on_read: Callable[[bytes], None]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        on_read(chunk)
        yield chunk


def _with_lf(stream: BinaryIO, on_read: Callable[[bytes], None]) -> Iterator[bytes]:
    """The lines with LF for CRLF, up to one with another CR, which no conversion explains.

    That line does not count as read, so that the digest of what was read is not the file's.
    """
    for line in stream:
        converted = line.replace(b"\r\n", b"\n")
        if b"\r" in converted:
            return
        on_read(line)
        yield converted


def _start(size: int, like: str) -> hashlib._Hash:
    """A digest that has taken in the header of a blob."""
    header = b"blob %d\0" % size
    if len(like) == _LENGTH_OF_SHA1:
        return hashlib.sha1(header, usedforsecurity=False)
    return hashlib.sha256(header)


def _pointer_id(content: _Read, like: str) -> str:
    """The id of the pointer that Git LFS puts in place of this content."""
    pointer = (
        "version https://git-lfs.github.com/spec/v1\n"
        f"oid sha256:{content.sha256}\nsize {content.size}\n"
    )
    return blob_id(pointer.encode("ascii"), like)
