"""A state folder on this machine, which is for its owner's eyes only.

``runs/<run>.jsonl`` are the applies and restores, ``observations/<run>.jsonl`` the plans and the
queries that read image bytes, ``log/`` in each the log of those that are over, ``runs/index/`` what
indexes them, ``locks/`` the locks, ``plans/`` the plans that were applied, ``delivered/`` what
receivers of audit messages have.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from reconciler.durable_folder import make_folder, sync_folder
from reconciler.errors import JournalError
from reconciler.journal.folder import INDEX, LOG, RUN_SUFFIX
from reconciler.journal.places.locks import held_locks, hold_locks, is_held
from reconciler.journal.state import Lease, Wanted, open_pieces
from reconciler.model.address import StoreAddress
from reconciler.model.lock import HeldLock
from reconciler.objects.disk import Disk

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
_MODE = 0o600
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class DiskRunFile:
    """The record of one run, in one file."""

    path: Path
    size: int

    @property
    def folder(self) -> str:
        """As `RunFile`."""
        return self.path.parent.name

    @property
    def name(self) -> str:
        """As `RunFile`."""
        return self.path.stem

    @property
    def place(self) -> str:
        """As `RunFile`."""
        return str(self.path)

    @property
    def has_grown(self) -> bool:
        """As `RunFile`."""
        return self.path.stat().st_size > self.size

    def open(self) -> BinaryIO:
        """As `RunFile`."""
        return open_pieces(self._pieces())

    def _pieces(self) -> Generator[bytes, None, None]:
        left = self.size
        with self.path.open("rb", buffering=0) as file:
            while left and (piece := file.read(min(left, _PIECE))):
                left -= len(piece)
                yield piece


class DiskSink:
    """The file of a run as it grows."""

    gathers = False

    def __init__(self, path: Path) -> None:
        """Create the file, which must not exist.

        Raises:
            OSError: it cannot be created.
        """
        self._path = path.absolute()
        self._file = os.fdopen(os.open(path, _FLAGS, _MODE), "ab", buffering=0)
        self._is_synced = True

    def write(self, segment: bytes, *, is_awaited: bool) -> None:
        """As `SegmentSink`. What a failed write left half done stays, as a torn tail."""
        rest = memoryview(segment)
        self._is_synced = False
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            if is_awaited:
                self._sync()
        except BaseException:
            self._file.close()  # a failure is final
            raise

    def close(self) -> None:
        """As `SegmentSink`."""
        with self._file:
            if not self._is_synced:
                self._sync()

    def discard(self) -> None:
        """As `SegmentSink`."""
        self._path.unlink()

    def _sync(self) -> None:
        """Wait for the disk, and make sure that the file can still be found by its name."""
        descriptor = self._file.fileno()
        os.fsync(descriptor)
        if not os.path.samestat(os.fstat(descriptor), self._path.stat()):
            raise FileNotFoundError("another file has taken its place")
        self._is_synced = True


class DiskState:
    """A state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = Disk(folder, may_be_made=True)
        self.indexes: Mapping[str, Sequence[Any]] = {}

    def path_of(self, name: str) -> Path:
        """As `State`."""
        return self.folder / name

    @property
    def absolute(self) -> str:
        """As `State`."""
        return str(self.folder.absolute())

    @property
    def exists(self) -> bool:
        """As `State`."""
        return self.folder.is_dir()

    def __str__(self) -> str:
        return str(self.folder)

    def run_files(self, folder: str) -> Iterator[DiskRunFile]:
        """As `State`."""
        for path in self._paths(folder):
            if path.suffix == RUN_SUFFIX:
                yield DiskRunFile(path, _size(path))

    def run_names(self, folder: str) -> Iterator[str]:
        """As `State`."""
        return (path.stem for path in self._paths(folder) if path.suffix == RUN_SUFFIX)

    def run_file(self, folder: str, run: str) -> DiskRunFile | None:
        """As `State`."""
        if not {"/", "\0"}.isdisjoint(run):
            return None
        path = self._path(folder, run)
        return DiskRunFile(path, _size(path)) if path.is_file() else None

    def unrecognised(self, folder: str) -> Iterator[str]:
        """As `State`."""
        for path in self._paths(folder):
            if path.suffix != RUN_SUFFIX and path.name not in {LOG, INDEX}:
                yield str(path)

    def begin_run(self, folder: str, run: str) -> DiskSink:
        """As `State`."""
        path = self._path(folder, run)
        make_folder(path.parent)
        sink = DiskSink(path)
        sync_folder(path.parent)
        return sink

    def put_run(self, folder: str, run: str, segments: Iterable[bytes]) -> bool:
        """As `State`; it is there as a whole or not at all."""
        return self.objects.create(f"{folder}/{run}{RUN_SUFFIX}", b"".join(segments))

    def hold(self, wanted: Wanted) -> AbstractContextManager[Lease]:
        """As `State`; these locks end with their process, and are neither lost nor waited for."""
        return hold_locks(
            self.folder,
            wanted.stores,
            holder=wanted.holder,
            since=wanted.since,
            manifest=wanted.manifest,
            claim=wanted.claim,
        )

    def is_held(self, store: StoreAddress) -> bool:
        """As `State`."""
        return is_held(self.folder, store)

    def held_locks(self) -> tuple[HeldLock, ...]:
        """As `State`."""
        return held_locks(self.folder)

    def _path(self, folder: str, run: str) -> Path:
        return self.folder / folder / f"{run}{RUN_SUFFIX}"

    def _paths(self, folder: str) -> list[Path]:
        runs = self.folder / folder
        try:
            return sorted(runs.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise JournalError(
                f"the journal {runs} cannot be read: {error.strerror or error}",
                hint="it may record deletions, so nothing is deleted before it can be read",
            ) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
