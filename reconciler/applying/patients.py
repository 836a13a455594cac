"""Read whose an instance is, as a pseudonym, before its DELETE may leave."""

from __future__ import annotations

from reconciler.errors import LiveError
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress
from reconciler.model.patient import PatientKey, PatientSeen


class NotIdentifiedError(Exception):
    """The Patient ID could not be read, so the instance must not be deleted; ``str`` says why."""


def read_patient(
    store: DicomStore, instance: InstanceAddress, key: PatientKey | None
) -> PatientSeen | None:
    """The pseudonym of the instance's own Patient ID; None without a key, and nothing is read.

    Every instance is read: where images of two patients lie in one study, each has its own.

    Raises:
        NotIdentifiedError: it could not be read.
    """
    if key is None:
        return None
    try:
        return PatientSeen(store.patient(instance, key))
    except LiveError as error:
        raise NotIdentifiedError(str(error)) from error
