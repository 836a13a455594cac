"""Whose a deletion is, which the record does not say: from a list, or from the archive."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Set
from io import TextIOWrapper
from pathlib import Path

from reconciler.dicom.file_head import HEAD, NotDicomFileError
from reconciler.dicom.patient import LONGEST_PATIENT_ID, patient_id_of
from reconciler.errors import UsageError
from reconciler.journal.inside import open_inside
from reconciler.model.address import StoreAddress
from reconciler.model.deletion import ArchivedCopy, RecordedDeletion
from reconciler.regular_file import open_regular

COLUMNS = ["studiesId", "PatientID"]


class PatientIds:
    """The patient id of a deletion: by its study in a list, by its own copy, by its pseudonym.

    A study may hold images of two patients, so a copy speaks for its own instance only, and of the
    ``mixed`` studies the list says nothing.

    ``unknown`` and ``pseudonyms`` count the studies that are known by no id.
    """

    def __init__(
        self,
        listed: Mapping[str, str],
        *,
        archived: bool,
        mixed: Set[tuple[StoreAddress, str]] = frozenset(),
    ) -> None:
        self._listed = listed
        self._mixed = mixed
        self._archived = archived
        # By hash: a record may have a study for each deletion.
        self._unknown: set[int] = set()
        self._pseudonyms: set[int] = set()

    @property
    def unknown(self) -> int:
        """Of how many studies nothing is known."""
        return len(self._unknown)

    @property
    def pseudonyms(self) -> int:
        """Of how many studies only the pseudonym on record is."""
        return len(self._pseudonyms)

    def of(self, deletion: RecordedDeletion) -> str | None:
        """The id, or what stands in its place."""
        study = (deletion.store, deletion.instance.study_uid)
        listed = None if study in self._mixed else self._listed.get(study[1])
        known = listed or self._from_copy(deletion.copy)
        if known is not None:
            return known
        (self._unknown if deletion.patient is None else self._pseudonyms).add(hash(study))
        return deletion.patient

    def _from_copy(self, copy: ArchivedCopy | None) -> str | None:
        return archived_patient(copy) if self._archived and copy is not None else None


def mixed_studies(deletions: Iterable[RecordedDeletion]) -> frozenset[tuple[StoreAddress, str]]:
    """The studies that hold instances of more than one patient, by the pseudonyms on record."""
    patients: dict[tuple[StoreAddress, str], str] = {}
    mixed = set()
    for one in deletions:
        study = (one.store, one.instance.study_uid)
        if one.patient is not None and patients.setdefault(study, one.patient) != one.patient:
            mixed.add(study)
    return frozenset(mixed)


def read_patients(path: Path) -> dict[str, str]:
    """Patient ids by Study Instance UID, from a CSV file in UTF-8 with the columns `COLUMNS`.

    Raises:
        UsageError: it cannot be read, or is not such a file. No message holds a patient id.
    """
    try:
        with TextIOWrapper(open_regular(path), encoding="utf-8-sig", newline="") as file:
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
        if len(row[1]) > LONGEST_PATIENT_ID:
            raise UsageError(
                f"{path}, record {number}: the id is longer than {LONGEST_PATIENT_ID} characters"
            )
        if patients.setdefault(row[0], row[1]) != row[1]:
            raise UsageError(f"{path}, record {number}: the study has another patient id above")
    return patients


def archived_patient(copy: ArchivedCopy) -> str | None:
    """The Patient ID (0010,0020) of an archived copy.

    None where it has none or several, where it cannot be read or lies elsewhere, and where it is
    not what was archived.
    """
    try:
        with open_inside(copy.archive, copy.path) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != copy.sha256:
                return None
            file.seek(0)
            return patient_id_of(file.read(HEAD))
    except (OSError, NotDicomFileError):
        return None
