"""State in a bucket: the names below the prefix are specified in `docs/state.md`.

A segment of a run is one object, compressed. Joined and decompressed, the segments of a run are
byte for byte the file that a state folder holds.
"""

from __future__ import annotations

import gzip
import io
import itertools
import re
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, BinaryIO

from reconciler.errors import BrokenJournal, JournalError
from reconciler.journal.codec import from_json
from reconciler.journal.folder import is_run_name
from reconciler.journal.index_objects import is_index_name
from reconciler.journal.log import is_entry_name
from reconciler.journal.places.epoch import beat_name, new_beat, segment_name
from reconciler.journal.places.epochs import Epochs
from reconciler.journal.places.heart import Heart
from reconciler.journal.records import Fenced, LastRecord, Record
from reconciler.journal.segments import fields_of, header_of, is_header, line_of
from reconciler.journal.state import RUNS, Wanted, open_pieces
from reconciler.model.address import StoreAddress
from reconciler.model.lock import HeldLock, Holder
from reconciler.objects.interface import Objects
from reconciler.objects.numbered import last_number

REQUEST_TIMEOUT = 30.0
"""Seconds: no request that changes a store takes longer."""
_MOST = 1 << 28
"""Bytes of a segment, decompressed."""
_NUMBER = re.compile(r"[0-9]{8}")
_HINT = "a broken record may hide deletions, so nothing is deleted; restore the object from a copy"


class BucketRunFile:
    """The record of one run, in one object for each segment; so many are ``known`` to be there."""

    def __init__(self, objects: Objects, folder: str, name: str, known: int = 0) -> None:
        self._objects = objects
        self._known = known
        self._count: int | None = None
        self._latest: tuple[int, bytes] | None = None
        self.folder = folder
        self.name = name
        self.place = f"{objects.url}/{folder}/{name}"
        self.size = 0
        """Not known."""

    @property
    def count(self) -> int:
        """How many segments it had when that was found out first."""
        if self._count is None:
            self._count = last_number(lambda number: self._read(number - 1), self._known)
        return self._count

    @property
    def has_grown(self) -> bool:
        """As `RunFile`."""
        return self._read(self.count) is not None

    def open(self) -> BinaryIO:
        """As `RunFile`."""
        return open_pieces(self._segments())

    def segment(self, number: int) -> bytes:
        """One segment, decompressed.

        Raises:
            BrokenJournal: it is missing, or is no segment.
            OSError: it cannot be read.
        """
        segment = self._load(number)
        if segment is None:
            raise BrokenJournal(f"{self.place}/{number:08}", "the segment is missing", hint=_HINT)
        return segment

    def _segments(self) -> Generator[bytes, None, None]:
        for number in itertools.count():
            if number == self._count:
                return
            if number >= self._known and self._count is None and self._load(number) is None:
                self._count = number
                return
            yield self.segment(number)

    def _load(self, number: int) -> bytes | None:
        """One segment, decompressed; the latest is kept, since it is asked for twice."""
        if self._latest is not None and self._latest[0] == number:
            return self._latest[1]
        try:
            data = self._read(number)
        except JournalError as error:
            raise OSError(str(error)) from error
        if data is None:
            return None
        place = f"{self.place}/{number:08}"
        try:
            with gzip.open(io.BytesIO(data)) as file:
                segment = file.read(_MOST + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise BrokenJournal(place, f"it is no gzip member: {error}", hint=_HINT) from error
        if len(segment) > _MOST:
            raise BrokenJournal(place, "it is larger than a segment can be", hint=_HINT)
        if not is_header(segment):
            raise BrokenJournal(place, "it does not begin as a segment does", hint=_HINT)
        self._latest = number, segment
        return segment

    def _read(self, number: int) -> bytes | None:
        return self._objects.read(segment_name(self.folder, self.name, number))


class BucketSink:
    """The segments of a run as it grows."""

    gathers = True

    def __init__(self, objects: Objects, folder: str, run: str) -> None:
        self._objects = objects
        self._folder = folder
        self._run = run
        self._number = 0

    def write(self, segment: bytes, *, is_awaited: bool) -> None:  # noqa: ARG002 - always durable
        """As `SegmentSink`."""
        name = segment_name(self._folder, self._run, self._number)
        try:
            is_mine = self._objects.create(name, compressed(segment))
        except JournalError as error:
            raise OSError(str(error)) from error
        if not is_mine:
            raise OSError("another run has taken over")
        self._number += 1

    def close(self) -> None:
        """As `SegmentSink`."""

    def discard(self) -> None:
        """As `SegmentSink`; nothing is removed from a bucket."""


class BucketState:
    """State below a prefix of a bucket; ``now`` is the time, for what is put on record here."""

    def __init__(self, objects: Objects, now: Callable[[], datetime]) -> None:
        self.objects = objects
        self.indexes: Mapping[str, Sequence[Any]] = {}
        self._now = now
        self._epochs = Epochs(objects, self._fence, request_timeout=REQUEST_TIMEOUT)

    @property
    def absolute(self) -> str:
        """As `State`."""
        return self.objects.url

    @property
    def exists(self) -> bool:
        """As `State`."""
        return True

    def __str__(self) -> str:
        return self.objects.url

    def path_of(self, name: str) -> None:  # noqa: ARG002 - none is a file
        """As `State`."""
        return

    def run_files(self, folder: str) -> Iterator[BucketRunFile]:
        """As `State`. One of which the first segments are missing is among them, and is broken."""
        found = filter(None, map(_run_and_number, self.objects.names(folder)))
        for run, segments in groupby(found, itemgetter(0)):
            known = 1 + max(number for _, number in segments)
            yield BucketRunFile(self.objects, folder, run, known)

    def run_names(self, folder: str) -> Iterator[str]:
        """As `State`; the segments are not listed."""
        return filter(is_run_name, self.objects.folders(folder))

    def run_file(self, folder: str, run: str) -> BucketRunFile | None:
        """As `State`. One of which the first segments are missing is there, and is broken."""
        if not is_run_name(run):
            return None
        found = filter(None, map(_run_and_number, self.objects.names(f"{folder}/{run}")))
        known = max((number + 1 for _, number in found), default=0)
        if not known and self.objects.read(segment_name(folder, run, 0)) is None:
            return None
        return BucketRunFile(self.objects, folder, run, known)

    def unrecognised(self, folder: str) -> Iterator[str]:
        """As `State`."""
        for name in self.objects.names(folder):
            is_ours = is_entry_name(name) or is_index_name(name)
            if not is_ours and _run_and_number(name) is None:
                yield f"{self.objects.url}/{name}"

    def begin_run(self, folder: str, run: str) -> BucketSink:
        """As `State`."""
        return BucketSink(self.objects, folder, run)

    def put_run(self, folder: str, run: str, segments: Iterable[bytes]) -> bool:
        """As `State`."""
        number = 0
        for segment in segments:
            if not self.objects.create(segment_name(folder, run, number), compressed(segment)):
                return False
            number += 1
        return self.objects.read(segment_name(folder, run, number)) is None

    def hold(self, wanted: Wanted) -> AbstractContextManager[Heart]:
        """As `State`."""
        return self._epochs.hold(wanted)

    def unlock(self, store: StoreAddress, holder: Holder, since: str) -> HeldLock | None:
        """Take a store from whoever holds it, and let go of it; who that was.

        Raises:
            JournalError: it cannot be done.
        """
        return self._epochs.unlock(store, holder, since)

    def is_held(self, store: StoreAddress) -> bool:
        """As `State`."""
        return self._epochs.is_held(store)

    def held_locks(self) -> tuple[HeldLock, ...]:
        """As `State`."""
        return tuple(self._epochs.held())

    def holder_of(self, store: StoreAddress) -> HeldLock | None:
        """Who holds the lock of a store, alive or not."""
        return self._epochs.holder_of(store)

    def _fence(self, run: str, holder: Holder) -> bool:
        """Let a run create no more beats and segments; whether it may have something in flight."""
        create = self.objects.create
        beat, number = new_beat(), 0
        while not number or not create(beat_name(run, number), beat):
            number = 1 + last_number(lambda n: self.objects.read(beat_name(run, n)), number)
        while True:
            file = BucketRunFile(self.objects, RUNS, run)
            previous = file.segment(file.count - 1) if file.count else None
            last = None if previous is None else _last_record(previous)
            if isinstance(last, Fenced):
                return file.count > 1
            if isinstance(last, LastRecord):
                return False
            fence = line_of(Fenced(self._now(), holder))
            segment = compressed(header_of(file.count, previous) + fence)
            if create(segment_name(RUNS, run, file.count), segment):
                return previous is not None


def _run_and_number(name: str) -> tuple[str, int] | None:
    """Of which run a name is a segment, and which one; None where it is no segment's."""
    _, run, number, *others = [*name.split("/"), "", ""][:4]
    if any(others) or not is_run_name(run) or _NUMBER.fullmatch(number) is None:
        return None
    return run, int(number)


def _last_record(segment: bytes) -> Record | None:
    """The record with which a segment ends; None where it ends with none that is whole."""
    try:
        fields = fields_of(segment.splitlines(keepends=True)[-1])
        return None if fields is None else from_json(fields)
    except ValueError:  # whoever reads the run reports it
        return None


def compressed(segment: bytes) -> bytes:
    """A segment as its object holds it; equal segments are equal."""
    return gzip.compress(segment, mtime=0)
