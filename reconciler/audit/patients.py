"""The patient ids of studies, which the record does not hold: from a list, or from the archive."""

from __future__ import annotations

import csv
import hashlib
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

from reconciler.errors import UsageError
from reconciler.model.deletion import ArchivedCopy

_BROKEN = (
    AttributeError,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What files that are gone or broken bring about in pydicom and zlib."""

COLUMNS = ["studiesId", "PatientID"]


def read_patients(path: Path) -> dict[str, str]:
    """Patient ids by Study Instance UID, from a CSV file in UTF-8 with the columns `COLUMNS`.

    Raises:
        UsageError: it cannot be read, or is not such a file. No message holds a patient id.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _patients(path, csv.reader(file, strict=True))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error):
        # Not from the error, which may quote the file.
        raise UsageError(f"{path} is no CSV file in UTF-8") from None


def _patients(path: Path, rows: Iterable[list[str]]) -> dict[str, str]:
    patients: dict[str, str] = {}
    for number, row in enumerate(rows):
        if number == 0:
            if row != COLUMNS:
                raise UsageError(
                    f"{path} has not the columns of a list of patients",
                    hint=f"its first line is {','.join(COLUMNS)}",
                )
            continue
        if len(row) != len(COLUMNS) or not all(row):
            raise UsageError(f"{path}, record {number}: a study and a patient id are needed")
        if patients.setdefault(row[0], row[1]) != row[1]:
            raise UsageError(f"{path}, record {number}: the study has another patient id above")
    return patients


def archived_patient(copy: ArchivedCopy) -> str | None:
    """The Patient ID (0010,0020) of an archived copy.

    None where it has none, where it cannot be read, and where it is not what was archived.
    """
    # pydicom takes half a second to import, which other commands need not spend.
    from pydicom import dcmread  # noqa: PLC0415
    from pydicom.config import disable_value_validation  # noqa: PLC0415
    from pydicom.errors import InvalidDicomError  # noqa: PLC0415

    try:
        # It warns of a value in words that hold it.
        with copy.path.open("rb") as file, disable_value_validation():
            if hashlib.file_digest(file, "sha256").hexdigest() != copy.sha256:
                return None
            file.seek(0)
            dataset = dcmread(file, stop_before_pixels=True, specific_tags=["PatientID"])
            return str(dataset.get("PatientID") or "") or None
    except (*_BROKEN, InvalidDicomError):
        return None
