"""The beginning of a DICOM file: preamble and File Meta Information (PS3.10 section 7.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.dicom.encoding import LONG_VRS

HEAD = 256 * 1024
"""Bytes of a file within which its File Meta Information must end."""

_PREAMBLE = 128
_PREFIX = b"DICM"
_META_GROUP = 0x0002
_SOP_CLASS_UID = (0x0002, 0x0002)
_TRANSFER_SYNTAX_UID = (0x0002, 0x0010)


class NotDicomFileError(Exception):
    """The bytes are no DICOM file, or not one that says what is asked; holds no patient data."""


@dataclass(frozen=True, slots=True)
class FileHead:
    """``dataset_offset`` is where the File Meta Information ends, in bytes.

    ``sop_class_uid`` is empty in a file that does not say it there.
    """

    sop_class_uid: str
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
    offset = _PREAMBLE + len(_PREFIX)
    uids = {_SOP_CLASS_UID: "", _TRANSFER_SYNTAX_UID: ""}
    for tag, value, end in _meta_elements(head, offset):
        offset = end
        if tag in uids:
            uids[tag] = uid_of(value)
    if not uids[_TRANSFER_SYNTAX_UID]:
        raise NotDicomFileError("it is no DICOM file: it names no transfer syntax")
    return FileHead(uids[_SOP_CLASS_UID], uids[_TRANSFER_SYNTAX_UID], offset)


def uid_of(value: bytes) -> str:
    """The UID that a value holds, without its padding (PS3.5 section 9.1)."""
    return value.rstrip(b"\0 ").decode("ascii", "replace")


def _meta_elements(head: bytes, offset: int) -> Iterator[tuple[tuple[int, int], bytes, int]]:
    """The tag, the value and the end of each element of group 0002."""
    while offset + 8 <= len(head):
        group, element, vr, length = struct.unpack_from("<HH2sH", head, offset)
        if group != _META_GROUP:
            return
        start = offset + 8
        if vr in LONG_VRS:
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
