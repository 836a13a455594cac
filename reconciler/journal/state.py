"""Where the record, the locks and the applied plans are kept: in a folder, or in a bucket."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from reconciler.model.address import StoreAddress
from reconciler.model.lock import HeldLock, Holder
from reconciler.objects.interface import Objects

if TYPE_CHECKING:
    from typing_extensions import Buffer

RUNS = "runs"
"""The folder of the applies and restores."""
OBSERVATIONS = "observations"
"""The folder of the runs that change no store."""
_BUFFER = 1 << 16


class RunFile(Protocol):
    """The record of one run, as far as it went when it was found."""

    @property
    def folder(self) -> str:
        """`RUNS` or `OBSERVATIONS`."""

    @property
    def name(self) -> str:
        """The name of the run."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""

    @property
    def size(self) -> int:
        """How many bytes are kept of it."""

    @property
    def has_grown(self) -> bool:
        """Whether there is more of it by now."""

    def open(self) -> BinaryIO:
        """Open it to read its lines; no more than it held when it was found.

        Raises:
            OSError: it cannot be read.
        """


class SegmentSink(Protocol):
    """Takes the segments of a run; used by one thread at a time.

    One that ``gathers`` is slow: it gets no segment without an awaited record, save for now and
    then.
    """

    gathers: bool

    def write(self, segment: bytes, *, is_awaited: bool) -> None:
        """Take the next segment; if it is awaited, it and those before it are durable then.

        Raises:
            OSError: it cannot be kept.
        """

    def close(self) -> None:
        """Make durable what was taken, and take no more; raises as `write`."""

    def discard(self) -> None:
        """Leave nothing of a run that never began, where that can be done."""


class Lease(Protocol):
    """The lock of one or more stores, while it is held."""

    @property
    def is_good(self) -> bool:
        """Whether a request may leave now: nobody can have taken the lock over."""

    def came_after(self, run: str) -> bool:
        """Whether a run held one of the stores before, or shares it no more, so that it is over.

        Raises:
            JournalError: that cannot be found out.
        """


@dataclass(frozen=True, slots=True)
class Wanted:
    """The locks that a run wants.

    ``since`` says since when it holds them, in the words of the message that another run gets. In a
    bucket another run may take them over ``lease`` seconds after the last sign of life; ``on_lost``
    is called where that may have happened. ``on_wait`` gets in words what is waited for, which ends
    when ``stop`` is set. With a ``manifest``, the id of a plan in shards, the stores are held by
    all runs that name the same one; ``claim`` is the id of the shard that this run alone works on.
    """

    stores: frozenset[StoreAddress]
    holder: Holder
    since: str
    lease: float
    on_lost: Callable[[], None]
    on_wait: Callable[[str], None]
    stop: Event
    manifest: str | None = None
    claim: str | None = None


class State(Protocol):
    """A place for the record of runs, its locks and the plans that were applied."""

    indexes: Mapping[str, Sequence[Any]]
    """What `Catalogue.read` has read last: the runs of each object of the index, by its hash."""

    @property
    def objects(self) -> Objects:
        """What is in it beside the records of runs: logs, plans, delivery logs."""

    def path_of(self, name: str) -> Path | None:
        """The file of an object, or the folder itself for no name; None in a bucket."""

    @property
    def absolute(self) -> str:
        """As a user names it, from whatever folder."""

    @property
    def exists(self) -> bool:
        """Whether there is such a place."""

    def __str__(self) -> str:
        """As a user names it."""

    def run_files(self, folder: str) -> Iterator[RunFile]:
        """The records of the runs in a folder, by name; a place that does not exist has none.

        Raises:
            JournalError: they cannot be listed.
        """

    def run_names(self, folder: str) -> Iterator[str]:
        """What may be the names of the runs in a folder; `run_file` says which are.

        Raises:
            JournalError: they cannot be listed.
        """

    def run_file(self, folder: str, run: str) -> RunFile | None:
        """The record of one run; None if there is none.

        Raises:
            JournalError: whether there is one cannot be found out.
        """

    def unrecognised(self, folder: str) -> Iterator[str]:
        """What lies among the records of runs and is none, as places."""

    def begin_run(self, folder: str, run: str) -> SegmentSink:
        """Begin the record of a run, of which there must be none.

        Raises:
            OSError: it cannot be begun.
        """

    def put_run(self, folder: str, run: str, segments: Iterable[bytes]) -> bool:
        """Keep a copy of a whole run; False if there is another one of its name.

        The last segment may end with a torn line. What an interrupted copy left is completed.

        Raises:
            JournalError: it cannot be kept.
        """

    def hold(self, wanted: Wanted) -> AbstractContextManager[Lease]:
        """Hold the locks of several stores, all of them or none.

        Raises:
            LockHeld: another run holds one of them, or the run stopped while it waited.
            JournalError: they cannot be taken.
        """

    def is_held(self, store: StoreAddress) -> bool:
        """Whether a run works on the store now. Where that cannot be found out, none does."""

    def held_locks(self) -> tuple[HeldLock, ...]:
        """The locks that are held now, sorted by store."""


def open_pieces(pieces: Generator[bytes, None, None]) -> BinaryIO:
    """The pieces, one after the other, as a file to read; closing it closes the generator."""
    return io.BufferedReader(_Pieces(pieces), _BUFFER)


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Generator[bytes, None, None]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        into = memoryview(buffer)
        count = min(len(into), len(self._left))
        into[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def close(self) -> None:
        self._pieces.close()
        super().close()
