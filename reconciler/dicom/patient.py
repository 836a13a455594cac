"""Whose a DICOM file is, of which day and modality, by its beginning.

Broken files make pydicom raise and warn of anything, in words that hold what it read; whoever runs
this in a process of its own silences its warnings.
"""

from __future__ import annotations

import codecs
import zlib
from importlib import import_module
from io import BytesIO
from typing import Any, NamedTuple

from reconciler.dicom.encoding import BIG_ENDIAN, DEFLATED, encoding_of
from reconciler.dicom.file_head import HEAD, NotDicomFileError, read_head

LONGEST_PATIENT_ID = 1024
"""Characters: LO has 64 at most (PS3.5 section 6.2), and real ones have more."""

_PATIENT_ID = 0x00100020


class Said(NamedTuple):
    """What a file says of itself, without the spaces around it; None is what it does not have.

    Of several values the text is one that no single value is.
    """

    patient_id: str
    study_date: str | None
    modality: str | None


def load_pydicom() -> None:
    """Import what reads a Patient ID, with the codecs of every Specific Character Set.

    Before threads read any: many that import pydicom at once make that fail.
    """
    import_module("pydicom.filereader")
    for encoding in import_module("pydicom.charset").python_encoding.values():
        codecs.lookup(encoding)


def said_of(head: bytes) -> Said:
    """What a DICOM file says; ``head`` are its first `HEAD` bytes, or all of it.

    Raises:
        NotDicomFileError: it is no DICOM file, or says no Patient ID, or several.
    """
    meta = read_head(head)
    dataset = head[meta.dataset_offset :]
    if meta.transfer_syntax_uid in DEFLATED:
        dataset = _inflated(dataset)
    patient_id, *others = _values(dataset, meta.transfer_syntax_uid)
    if isinstance(patient_id, str) and 0 < len(patient_id.strip()) <= LONGEST_PATIENT_ID:
        return Said(patient_id.strip(), *(str(one or "").strip() or None for one in others))
    raise NotDicomFileError("it says no Patient ID")


def _inflated(dataset: bytes) -> bytes:
    """The beginning of a compressed dataset, up to `HEAD`."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(dataset, HEAD)
    except zlib.error as error:
        raise NotDicomFileError("it is a DICOM file that cannot be read") from error


def _values(dataset: bytes, transfer_syntax_uid: str) -> list[object]:
    """The values as pydicom decodes them; elements above the Patient ID are not looked at."""
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
            return [read.get(name) for name in ("PatientID", "StudyDate", "Modality")]
    except Exception:  # noqa: BLE001 - of a broken file it raises anything, and quotes it
        raise NotDicomFileError("it is a DICOM file that cannot be read") from None
