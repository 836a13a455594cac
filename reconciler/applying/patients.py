"""Read whose an instance is before its DELETE may leave, and whether it is what was listed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from reconciler.applying.sending import MayNotSendError
from reconciler.applying.stopping import Stop
from reconciler.dicom.file_head import HEAD, NotDicomFileError
from reconciler.dicom.patient import said_of
from reconciler.errors import LiveError
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress
from reconciler.model.patient import Attribute, Attributes, Binding, PatientKey, PatientSeen

_FRESH = 1.0
"""Seconds after which what was read is read again before a DELETE."""


class NotIdentifiedError(MayNotSendError):
    """The attributes could not be read, so the instance must not be deleted; ``str`` says why."""


class ChangedError(MayNotSendError):
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


class StillBound:
    """Makes sure before each DELETE that an instance is what its removal is bound to.

    It was read just now; but a DELETE may wait for the proof of another one, and an attempt for
    minutes after the one before. ``read`` raises where it has changed.
    """

    def __init__(self, read: Callable[[], object], stop: Stop) -> None:
        self._read = read
        self._stop = stop
        self._at = time.monotonic()

    def __call__(self) -> None:
        """Read again what is not fresh, unless the run stops, since then nothing is sent.

        Raises:
            MayNotSendError: it has changed, or could not be read.
        """
        if time.monotonic() - self._at > _FRESH and not self._stop.is_requested:
            self._read()
            self._at = time.monotonic()


def _of_copy(copy: Path) -> Attributes | None:
    """What the file says, in ASCII; None where it says no Patient ID that can be read."""
    with suppress(OSError, NotDicomFileError), copy.open("rb") as file:
        return dict(zip(Attribute, said_of(file.read(HEAD)), strict=True))
    return None
