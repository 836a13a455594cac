"""DICOM files (PS3.10): what their beginning says, of which nothing is ever quoted.

Broken files make pydicom raise and warn of anything, in words that hold what it read; whoever runs
this in a process of its own silences its warnings.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

HEAD = 256 * 1024
"""Bytes of a file within which what is asked of it here must stand."""

LONGEST_PATIENT_ID = 1024
"""Characters: LO has 64 at most (PS3.5 section 6.2), and real ones have more."""

_PREAMBLE = 128
_PREFIX = b"DICM"
_META_GROUP = 0x0002
_SOP_CLASS_UID = (0x0002, 0x0002)
_TRANSFER_SYNTAX_UID = (0x0002, 0x0010)
LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN"})
LONG_VRS |= {b"UR", b"UT", b"UV"}
"""Value representations with a length of four bytes (PS3.5 section 7.1.2)."""
_SOP_INSTANCE_UID = 0x00080018
_PATIENT_ID = 0x00100020
_UNDEFINED_LENGTH = 0xFFFFFFFF
_IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
_EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95"})
"""Syntaxes whose whole dataset is compressed (PS3.5 section A.5)."""


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
            uids[tag] = value.rstrip(b"\0 ").decode("ascii", "replace")
    if not uids[_TRANSFER_SYNTAX_UID]:
        raise NotDicomFileError("it is no DICOM file: it names no transfer syntax")
    return FileHead(uids[_SOP_CLASS_UID], uids[_TRANSFER_SYNTAX_UID], offset)


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


def read_instance_uid(file: Path) -> str:
    """The SOP Instance UID of a DICOM file; reads its beginning only, whatever its size.

    Raises:
        NotDicomFileError: it is no DICOM file, or says no SOP Instance UID.
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        return instance_uid_of(stream.read(HEAD))


def instance_uid_of(head: bytes) -> str:
    """The SOP Instance UID of a DICOM file; ``head`` are its first `HEAD` bytes, or all of it.

    Raises:
        NotDicomFileError: it is no DICOM file, or says no SOP Instance UID.
    """
    dataset, syntax = _dataset(head)
    uid = "" if syntax == _EXPLICIT_VR_BIG_ENDIAN else _plain_instance_uid(dataset, syntax)
    if not uid:
        uid = str(_value(dataset, syntax, "SOPInstanceUID", _SOP_INSTANCE_UID) or "")
    if not uid:
        raise NotDicomFileError("it says no SOP Instance UID")
    return uid


def patient_id_of(head: bytes) -> str:
    """The Patient ID of a DICOM file; ``head`` is as for `instance_uid_of`.

    Raises:
        NotDicomFileError: it is no DICOM file, or says no Patient ID, or several.
    """
    patient_id = _value(*_dataset(head), "PatientID", _PATIENT_ID)
    if isinstance(patient_id, str) and 0 < len(patient_id.strip()) <= LONGEST_PATIENT_ID:
        return patient_id.strip()
    raise NotDicomFileError("it says no Patient ID")


def _dataset(head: bytes) -> tuple[bytes, str]:
    """The beginning of the dataset, inflated if need be up to `HEAD`, and its transfer syntax."""
    meta = read_head(head)
    dataset = head[meta.dataset_offset :]
    if meta.transfer_syntax_uid in _DEFLATED:
        try:
            dataset = zlib.decompressobj(-zlib.MAX_WBITS).decompress(dataset, HEAD)
        except zlib.error as error:
            raise NotDicomFileError("it is a DICOM file that cannot be read") from error
    return dataset, meta.transfer_syntax_uid


def _plain_instance_uid(dataset: bytes, transfer_syntax_uid: str) -> str:
    """The UID, if nothing but plain elements stands before it; else empty.

    That is so in nearly every file, and a fifth of what pydicom takes: a tenth of the whole cost
    of archiving a small instance.
    """
    is_implicit = transfer_syntax_uid == _IMPLICIT_VR_LITTLE_ENDIAN
    offset = 0
    while offset + 8 <= len(dataset):
        group, element, vr, length = struct.unpack_from("<HH2sH", dataset, offset)
        start = offset + 8
        if is_implicit or vr in LONG_VRS:
            at = offset + 4 if is_implicit else start
            if at + 4 > len(dataset):
                return ""
            (length,) = struct.unpack_from("<I", dataset, at)
            start = at + 4
        if length == _UNDEFINED_LENGTH or group << 16 | element > _SOP_INSTANCE_UID:
            return ""
        offset = start + length
        if group << 16 | element == _SOP_INSTANCE_UID:
            return dataset[start:offset].rstrip(b"\0 ").decode("ascii", "replace")
    return ""


def _value(dataset: bytes, transfer_syntax_uid: str, keyword: str, tag: int) -> object:
    """A value as pydicom decodes it; of elements after it, by their tags, nothing is looked at.

    Raises:
        NotDicomFileError: it is broken.
    """
    # pydicom takes half a second to import, which runs without an archive need not spend.
    from pydicom.config import disable_value_validation  # noqa: PLC0415
    from pydicom.filereader import read_dataset  # noqa: PLC0415

    def is_past(other: int, _vr: Any, _length: int) -> bool:
        return other > tag

    try:
        with disable_value_validation():
            read = read_dataset(
                BytesIO(dataset),
                is_implicit_VR=transfer_syntax_uid == _IMPLICIT_VR_LITTLE_ENDIAN,
                is_little_endian=transfer_syntax_uid != _EXPLICIT_VR_BIG_ENDIAN,
                stop_when=is_past,
            )
            return read.get(keyword)
    except Exception:  # noqa: BLE001 - of a broken file it raises anything, and quotes it
        raise NotDicomFileError("it is a DICOM file that cannot be read") from None
