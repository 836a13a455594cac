"""Read whose an instance is before its DELETE may leave, and whether it is what was listed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from reconciler.dicom.file_head import HEAD, NotDicomFileError
from reconciler.dicom.patient import said_of
from reconciler.errors import LiveError
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress
from reconciler.model.patient import Attribute, Attributes, Binding, PatientKey, PatientSeen


class NotIdentifiedError(Exception):
    """The attributes could not be read, so the instance must not be deleted; ``str`` says why."""


class ChangedError(Exception):
    """The instance is not what its removal is bound to, or what it is could not be read."""


def read_patient(
    store: DicomStore,
    instance: InstanceAddress,
    key: PatientKey | None,
    copy: Path | None,
    bound: Binding | None,
) -> PatientSeen | None:
    """The pseudonym of the instance's own Patient ID; None without a key, and nothing is read.

    Every instance is read, once: where images of two patients lie in one study, each has its own.
    Where a copy was archived it is read, and else the store is asked. What is beyond ASCII is what
    the store says that it is, since only that is decoded in one way for all.

    Raises:
        NotIdentifiedError: it could not be read.
        ChangedError: what was read is not what the removal is bound to.
    """
    if key is None:
        if bound is not None:
            raise NotIdentifiedError("there is no key")
        return None
    texts = None if copy is None else _of_copy(copy)
    try:
        found = store.attributes(instance, key) if texts is None else key.hashed(texts)
    except LiveError as error:
        raise NotIdentifiedError(str(error)) from error
    if bound is not None and key.seen(found, bound.to) != bound.seen:
        raise ChangedError
    return PatientSeen(found[Attribute.PATIENT])


def _of_copy(copy: Path) -> Attributes | None:
    """What the file says, in ASCII; None where it says no Patient ID that can be read."""
    with suppress(OSError, NotDicomFileError), copy.open("rb") as file:
        said = said_of(file.read(HEAD))
        if all(text is None or text.isascii() for text in said):
            return dict(zip(Attribute, said, strict=True))
    return None
