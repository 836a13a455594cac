"""Whose a DICOM file is, of which day and modality, by its beginning."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any, NamedTuple

from reconciler.dicom.byte_stream import DamagedError
from reconciler.dicom.encoding import BIG_ENDIAN, DEFLATED, Encoding, encoding_of
from reconciler.dicom.file_head import HEAD, NotDicomFileError, read_head
from reconciler.dicom.walk import Level, Walk

LONGEST_PATIENT_ID = 1024
"""Characters: LO has 64 at most (PS3.5 section 6.2), and real ones have more."""

_PATIENT_ID = 0x00100020
_VRS = {_PATIENT_ID: b"LO", 0x00080020: b"DA", 0x00080060: b"CS"}
"""What is read, with its VR: Patient ID, Study Date, Modality."""

_PLAIN = re.compile(rb"[ -~]*\0*")
"""Text that is the same in every Specific Character Set, as none of them is switched to."""


class Said(NamedTuple):
    """What a file says of itself, without the spaces around it; None is what it does not have.

    Of several values the text is one that no single value is.
    """

    patient_id: str
    study_date: str | None
    modality: str | None


def said_of(head: bytes) -> Said:
    """What a DICOM file says in ASCII; ``head`` are its first `HEAD` bytes, or all of it.

    Nothing is decoded, and no library warns of it in words that hold what it read.

    Raises:
        NotDicomFileError: it is no DICOM file, says no Patient ID, or several, or says one of them
            beyond ASCII.
    """
    dataset, transfer_syntax_uid = _dataset(head)
    walk = _Beginning(iter([dataset]), encoding_of(transfer_syntax_uid))
    try:
        walk.to_patient_id()
    except DamagedError as error:
        raise NotDicomFileError(str(error)) from error
    patient_id, *others = (walk.texts.get(tag) for tag in _VRS)
    if patient_id is None or "\\" in patient_id or len(patient_id) > LONGEST_PATIENT_ID:
        raise NotDicomFileError(_NO_PATIENT_ID)
    return Said(patient_id, *others)


_NO_PATIENT_ID = "it says no Patient ID"


class _PatientIdReachedError(Exception):
    """What comes now is not asked for."""


class _Beginning(Walk):
    """Takes the values of `_VRS` on its way to the last of them."""

    def __init__(self, pieces: Iterator[bytes], encoding: Encoding) -> None:
        super().__init__(pieces, encoding)
        self.texts: dict[int, str | None] = {}

    def to_patient_id(self) -> None:
        """Read up to the Patient ID, or to the end.

        Raises:
            DamagedError: it is not whole so far, or says something twice or beyond ASCII.
        """
        try:
            self.to_end()
        except _PatientIdReachedError:
            """The rest need not come."""

    def _pass_plain(self, level: Level) -> bool:  # noqa: ARG002 - each is looked at
        return False

    def _value(self, level: Level, length: int, tag: int, vr: bytes) -> None:
        if len(self._levels) == 1 and tag in _VRS:
            stream = self._stream
            if vr not in {_VRS[tag], b""} or tag in self.texts or not stream.has(length):
                raise self._misplaced()
            value = stream.data[stream.at : stream.at + length]
            if not _PLAIN.fullmatch(value):
                raise DamagedError("what it says of the patient is not in ASCII")
            self.texts[tag] = value.decode("ascii").strip(" \0") or None
            if tag == _PATIENT_ID:
                raise _PatientIdReachedError
        super()._value(level, length, tag, vr)


def patient_id_of(head: bytes) -> str:
    """The Patient ID of a DICOM file in any character set; ``head`` is as in `said_of`.

    Broken files make pydicom raise and warn of anything, in words that hold what it read: this is
    for a process of its own, which silences its warnings.

    Raises:
        NotDicomFileError: it is no DICOM file, or says no Patient ID, or several.
    """
    patient_id = _decoded(*_dataset(head))
    if isinstance(patient_id, str) and 0 < len(patient_id.strip()) <= LONGEST_PATIENT_ID:
        return patient_id.strip()
    raise NotDicomFileError(_NO_PATIENT_ID)


def _dataset(head: bytes) -> tuple[bytes, str]:
    """The beginning of the dataset, and the transfer syntax."""
    meta = read_head(head)
    dataset = head[meta.dataset_offset :]
    if meta.transfer_syntax_uid in DEFLATED:
        dataset = _inflated(dataset)
    return dataset, meta.transfer_syntax_uid


def _inflated(dataset: bytes) -> bytes:
    """The beginning of a compressed dataset, up to `HEAD`."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(dataset, HEAD)
    except zlib.error as error:
        raise NotDicomFileError("it is a DICOM file that cannot be read") from error


def _decoded(dataset: bytes, transfer_syntax_uid: str) -> object:
    """The Patient ID as pydicom decodes it; elements above it are not looked at."""
    # pydicom takes half a second to import, which runs that need no patient need not spend.
    from pydicom.config import disable_value_validation  # noqa: PLC0415
    from pydicom.filereader import read_dataset  # noqa: PLC0415

    def is_past(tag: int, _vr: Any, _length: int) -> bool:
        return tag > _PATIENT_ID

    encoding = encoding_of(transfer_syntax_uid)
    try:
        with disable_value_validation():
            read = read_dataset(
                BytesIO(dataset),
                is_implicit_VR=encoding.is_implicit,
                is_little_endian=encoding.order is not BIG_ENDIAN,
                stop_when=is_past,
            )
            found: object = read.get("PatientID")
            return found
    except Exception:  # noqa: BLE001 - of a broken file it raises anything, and quotes it
        raise NotDicomFileError("it is a DICOM file that cannot be read") from None
