"""The record of a run, while somebody hears how much of the records was read."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from reconciler.journal.state import RunFile

if TYPE_CHECKING:
    from typing_extensions import Buffer

OnProgress = Callable[[int, int | None], None]
_BUFFER = 1 << 16


class Heard:
    """Counts the bytes that are read of all records of a snapshot, which may be read twice."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._bytes = 0

    def add(self, count: int) -> None:
        """So many more were read."""
        self._bytes += count
        self._on_progress(self._bytes, None)


@dataclass(frozen=True, slots=True)
class HeardFile:
    """As the `RunFile` that it is."""

    file: RunFile
    heard: Heard

    @property
    def folder(self) -> str:
        """As `RunFile`."""
        return self.file.folder

    @property
    def name(self) -> str:
        """As `RunFile`."""
        return self.file.name

    @property
    def place(self) -> str:
        """As `RunFile`."""
        return self.file.place

    @property
    def size(self) -> int:
        """As `RunFile`."""
        return self.file.size

    @property
    def has_grown(self) -> bool:
        """As `RunFile`."""
        return self.file.has_grown

    def open(self) -> BinaryIO:
        """As `RunFile`."""
        return io.BufferedReader(_Counted(self.file.open(), self.heard), _BUFFER)


class _Counted(io.RawIOBase):
    def __init__(self, file: BinaryIO, heard: Heard) -> None:
        self._file = file
        self._heard = heard

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        piece = self._file.read(len(memoryview(buffer)))
        memoryview(buffer)[: len(piece)] = piece
        self._heard.add(len(piece))
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()
