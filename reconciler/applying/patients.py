"""Read whose an instance is, as a pseudonym, before its DELETE may leave."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from reconciler.dicom.file_head import HEAD, NotDicomFileError
from reconciler.dicom.patient import patient_id_of
from reconciler.errors import LiveError
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress
from reconciler.model.patient import PatientKey, PatientSeen


class NotIdentifiedError(Exception):
    """The Patient ID could not be read, so the instance must not be deleted; ``str`` says why."""


def read_patient(
    store: DicomStore, instance: InstanceAddress, key: PatientKey | None, copy: Path | None
) -> PatientSeen | None:
    """The pseudonym of the instance's own Patient ID; None without a key, and nothing is read.

    Every instance is read: where images of two patients lie in one study, each has its own. Where
    a copy was archived it is read, and else the store is asked. An id beyond ASCII is what the
    store says that it is, since only that is decoded in one way for all.

    Raises:
        NotIdentifiedError: it could not be read.
    """
    if key is None:
        return None
    patient_id = None if copy is None else _of_copy(copy)
    if patient_id is not None and patient_id.isascii():
        return PatientSeen(key.pseudonym(patient_id))
    try:
        return PatientSeen(store.patient(instance, key))
    except LiveError as error:
        raise NotIdentifiedError(str(error)) from error


def _of_copy(copy: Path) -> str | None:
    """The Patient ID that the file says; None where it says none that can be read."""
    with suppress(OSError, NotDicomFileError), copy.open("rb") as file:
        return patient_id_of(file.read(HEAD))
    return None
