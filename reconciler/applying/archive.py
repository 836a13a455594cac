"""Keep instances before they are deleted: retrieved as stored, proven, on disk, on record."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciler.applying.bag import Bag, PayloadFile
from reconciler.dicom.examination import Examination, examine
from reconciler.dicom.file_head import NotDicomFileError
from reconciler.errors import LiveError
from reconciler.journal.records import Archived
from reconciler.journal.writer import RunJournal
from reconciler.live.store import Body, DicomStore
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.plan import DeletionGroup
from reconciler.model.problem import Source

_ATTEMPTS = 3
"""So often a body that breaks off is retrieved; the store itself repeats what gives no answer."""

_READ_BACK = 1024 * 1024

_MOST_ASKED = 64
"""Requests for a size at a time; never more than there are workers."""


class NotArchivedError(Exception):
    """An instance could not be kept, so it must not be deleted; ``str`` says why."""


class _BrokenBodyError(NotArchivedError):
    """The body ended early; another attempt may do better."""


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A file outside the payload that is on disk, and what it was found to be.

    ``reported_size`` is the store's own figure of its size, None where it does not say.
    """

    path: Path
    sha256: str
    size: int
    found: Examination
    reported_size: int | None

    @property
    def damage(self) -> str:
        """In what it is not whole; empty for a whole copy. More than the store says is no harm."""
        if self.found.damage or self.size >= (self.reported_size or 0):
            return self.found.damage
        return f"it has {self.size} bytes where the store reports {self.reported_size}"


class Archive:
    """The bags of one run, one under each archive's folder; shared by the run's workers."""

    def __init__(self, run: str, journal: RunJournal, *, now: Callable[[], datetime]) -> None:
        self._run = run
        self._journal = journal
        self._now = now
        self._lock = threading.Lock()
        self._asking = ThreadPoolExecutor(_MOST_ASKED, thread_name_prefix="size")
        self._bags: dict[str, Bag] = {}
        self._payload: dict[str, list[PayloadFile]] = {}

    def keep(
        self, store: DicomStore, index: int, instance: InstanceAddress, group: DeletionGroup
    ) -> Path | None:
        """Keep one instance of the group, if the group has an archive; on record when it returns.

        Gives the copy; None where none is asked for.

        ``index`` is the store's place in the run's first record. How large the store says that
        the instance is, is asked for while it is retrieved.

        Raises:
            NotArchivedError: it is not kept.
            JournalError: it is kept, and the journal cannot take that.
        """
        if group.archive is None:
            return None
        bag = self._bag(group.archive)
        figure = self._asking.submit(_reported_size, store, instance)
        try:
            arrived = _retrieve(store, instance, bag, figure)
            try:
                _check(arrived, instance, group)
                path = _place(bag, arrived, store.address, instance)
            except BaseException:
                arrived.path.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise NotArchivedError(
                f"the archive {bag.path} cannot be written: {error.strerror or error}"
            ) from error
        kept = PayloadFile(path, arrived.sha256, arrived.size)
        with self._lock:
            self._payload[group.archive].append(kept)
        self._journal.commit(
            Archived(
                self._now(),
                index,
                instance,
                group.archive,
                kept.path,
                kept.sha256,
                kept.size,
                Source(group.path, group.instances[instance.instance_uid]),
                group.reason,
                arrived.reported_size,
                arrived.damage,
            )
        )
        return bag.path / path

    @property
    def bags(self) -> tuple[Path, ...]:
        """Where the run keeps instances."""
        return tuple(
            bag.path for archive, bag in sorted(self._bags.items()) if self._payload[archive]
        )

    def finish(self, info: BagInfo) -> None:
        """Complete the bags, so that each stands alone.

        Raises:
            OSError: one cannot be completed.
        """
        self._asking.shutdown()
        for archive, bag in self._bags.items():
            if bag.is_begun:
                bag.finish(self._payload[archive], info.of(self._run, self._now()))

    def _bag(self, archive: str) -> Bag:
        with self._lock:
            if archive not in self._bags:
                self._bags[archive] = Bag(Path(archive), self._run)
                self._payload[archive] = []
            return self._bags[archive]


@dataclass(frozen=True, slots=True)
class BagInfo:
    """What ``bag-info.txt`` says of where the bags of one plan come from; no patient data."""

    digest: str
    agent: str

    def of(self, run: str, now: datetime) -> dict[str, str]:
        """The labels of RFC 8493 section 2.2.2 for the bag of one run."""
        return {
            "Bag-Software-Agent": self.agent,
            "Bagging-Date": f"{now:%Y-%m-%d}",
            "External-Identifier": run,
            "External-Description": "DICOM instances, kept before they were deleted",
            "Internal-Sender-Identifier": self.digest,
        }


def payload_path(instance: InstanceAddress) -> str:
    """Where an instance stands in its run's bag."""
    return f"data{instance}.dcm"


def _place(bag: Bag, arrived: _Arrived, store: StoreAddress, instance: InstanceAddress) -> str:
    """Give it its name; of two stores' instances with one address, the second's names its store."""
    return bag.place(arrived.path, payload_path(instance), f"data/{store}{instance}.dcm")


def _retrieve(
    store: DicomStore, instance: InstanceAddress, bag: Bag, figure: Future[int | None]
) -> _Arrived:
    """Retrieve it, again where the body breaks off or the copy is damaged.

    A copy that comes twice with the same damage is what the store has.
    """
    before = ""
    for attempt in range(1, _ATTEMPTS + 1):
        is_last = attempt == _ATTEMPTS
        try:
            arrived = _retrieve_once(store, instance, bag, figure)
        except _BrokenBodyError:
            if is_last:
                raise
            continue
        if is_last or not arrived.damage or arrived.sha256 == before:
            return arrived
        arrived.path.unlink()
        before = arrived.sha256
    raise AssertionError  # pragma: no cover - the last attempt returns or raises


def _retrieve_once(
    store: DicomStore, instance: InstanceAddress, bag: Bag, figure: Future[int | None]
) -> _Arrived:
    path, descriptor = bag.new_incoming()
    try:
        try:
            sha256, size = _receive(store, instance, descriptor)
            found = examine(_read_back(descriptor, sha256))
        except NotDicomFileError as error:
            raise NotArchivedError(f"what the store sent cannot be kept: {error}") from error
        finally:
            os.close(descriptor)
        reported = figure.result()
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
    return _Arrived(path, sha256, size, found, reported)


def _receive(store: DicomStore, instance: InstanceAddress, descriptor: int) -> tuple[str, int]:
    """Stream the instance to the file, to disk; its SHA-256 and size, compared with the announced.

    Raises:
        NotArchivedError: it did not come.
        OSError: it cannot be written.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with store.retrieve(instance) as body:
            for chunk in _chunks(body):
                digest.update(chunk)
                _write(descriptor, chunk)
                size += len(chunk)
    except LiveError as error:
        raise NotArchivedError(str(error)) from error
    if body.length is not None and size != body.length:
        raise _BrokenBodyError(f"{size} bytes came where {body.length} were announced")
    os.fsync(descriptor)
    return digest.hexdigest(), size


def _reported_size(store: DicomStore, instance: InstanceAddress) -> int | None:
    """The size in the store's own account; None where it does not say."""
    try:
        return store.storage(instance).size_bytes
    except LiveError:
        return None


def _chunks(body: Body) -> Iterator[bytes]:
    try:
        yield from body.chunks
    except LiveError as error:
        raise _BrokenBodyError(f"the retrieve broke off: {error}") from error


def _write(descriptor: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _read_back(descriptor: int, sha256: str) -> Iterator[bytes]:
    """Read the file again, from the disk where the system lets us, and compare at its end."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.lseek(descriptor, 0, os.SEEK_SET)
    digest = hashlib.sha256()
    while piece := os.read(descriptor, _READ_BACK):
        digest.update(piece)
        yield piece
    if digest.hexdigest() != sha256:
        raise NotArchivedError("what was read back from the archive is not what was written")


def _check(arrived: _Arrived, instance: InstanceAddress, group: DeletionGroup) -> None:
    """Make sure that it is whole, unless that need not be, and that it is what was asked for."""
    if arrived.damage and not group.allow_damaged:
        raise NotArchivedError(f"the copy is damaged: {arrived.damage}")
    found = InstanceAddress(*arrived.found.address)
    if not found.instance_uid:
        raise NotArchivedError("what the store sent cannot be kept: it says no SOP Instance UID")
    if found.instance_uid != instance.instance_uid:
        raise NotArchivedError("the store sent another instance")
    if found != instance:
        raise NotArchivedError("the store sent an instance of another study or series")
