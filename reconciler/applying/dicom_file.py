"""What the beginning of a DICOM file (PS3.10) says: where its dataset starts, and whose it is."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

HEAD = 256 * 1024
"""Bytes of a file within which its File Meta Information and its SOP Instance UID must stand."""

_PREAMBLE = 128
_PREFIX = b"DICM"
_META_GROUP = 0x0002
_TRANSFER_SYNTAX_UID = (0x0002, 0x0010)
_SOP_INSTANCE_UID = 0x00080018
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN"})
_LONG_VRS |= {b"UR", b"UT", b"UV"}
"""Value representations with a length of four bytes (PS3.5 section 7.1.2)."""

_IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
_EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95"})
"""Syntaxes whose whole dataset is compressed (PS3.5 section A.5)."""


class NotDicomFileError(Exception):
    """The bytes are no DICOM file with File Meta Information; holds no patient data."""


@dataclass(frozen=True, slots=True)
class FileHead:
    """``dataset_offset`` is where the File Meta Information ends, in bytes."""

    transfer_syntax_uid: str
    dataset_offset: int


def read_head(head: bytes) -> FileHead:
    """Read preamble and File Meta Information, which is Explicit VR Little Endian (PS3.10 7.1).

    ``head`` are the first `HEAD` bytes of the file, or all of it.

    Raises:
        NotDicomFileError: it does not begin so, or not within these bytes.
    """
    if head[_PREAMBLE : _PREAMBLE + len(_PREFIX)] != _PREFIX:
        raise NotDicomFileError("it is no DICOM file: it has no preamble with DICM")
    offset, syntax = _PREAMBLE + len(_PREFIX), ""
    for tag, value, end in _meta_elements(head, offset):
        offset = end
        if tag == _TRANSFER_SYNTAX_UID:
            syntax = value.rstrip(b"\0 ").decode("ascii", "replace")
    if not syntax:
        raise NotDicomFileError("it is no DICOM file: it names no transfer syntax")
    return FileHead(syntax, offset)


def _meta_elements(head: bytes, offset: int) -> Iterator[tuple[tuple[int, int], bytes, int]]:
    """The tag, the value and the end of each element of group 0002."""
    while offset + 8 <= len(head):
        group, element, vr, length = struct.unpack_from("<HH2sH", head, offset)
        if group != _META_GROUP:
            return
        start = offset + 8
        if vr in _LONG_VRS:
            if start + 4 > len(head):
                break
            (length,) = struct.unpack_from("<I", head, start)
            start += 4
        offset = start + length
        if offset > len(head):
            break
        yield (group, element), head[start:offset], offset
    if offset != len(head):
        raise NotDicomFileError("its File Meta Information does not end")


def read_instance_uid(file: Path) -> str:
    """The SOP Instance UID of a DICOM file; reads its beginning only, whatever its size.

    Raises:
        NotDicomFileError: it is no DICOM file, or says no SOP Instance UID.
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        head = stream.read(HEAD)
    meta = read_head(head)
    dataset = head[meta.dataset_offset :]
    try:
        if meta.transfer_syntax_uid in _DEFLATED:
            dataset = zlib.decompressobj(-zlib.MAX_WBITS).decompress(dataset, HEAD)
        uid = _instance_uid(dataset, meta.transfer_syntax_uid)
    except _UNREADABLE as error:
        raise NotDicomFileError("it is a DICOM file that cannot be read") from error
    if not uid:
        raise NotDicomFileError("it says no SOP Instance UID")
    return uid


_UNREADABLE = (
    AttributeError,
    EOFError,
    KeyError,
    NotImplementedError,
    OverflowError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What broken files bring about in pydicom and zlib."""


def _instance_uid(dataset: bytes, transfer_syntax_uid: str) -> str:
    # pydicom takes half a second to import, which runs without an archive need not spend.
    from pydicom.filereader import read_dataset  # noqa: PLC0415

    read = read_dataset(
        BytesIO(dataset),
        is_implicit_VR=transfer_syntax_uid == _IMPLICIT_VR_LITTLE_ENDIAN,
        is_little_endian=transfer_syntax_uid != _EXPLICIT_VR_BIG_ENDIAN,
        stop_when=_is_past_instance_uid,
    )
    return str(read.get("SOPInstanceUID", ""))


def _is_past_instance_uid(tag: int, _vr: Any, _length: int) -> bool:
    """Elements stand in the order of their tags; what follows this one is not looked at."""
    return tag > _SOP_INSTANCE_UID
