"""Reading the record of one run, and proving while reading that it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from reconciler.errors import BrokenJournal, JournalError
from reconciler.journal.bases import OfStore, Start
from reconciler.journal.chain import fields_of, hash_of
from reconciler.journal.codec import from_json
from reconciler.journal.format import FORMAT_VERSION
from reconciler.journal.records import LastRecord, Record

_TOLD_AFTER = 1 << 20
_MAJOR = FORMAT_VERSION.split(".")[0]
_HINT = "a broken record may hide deletions, so nothing is deleted; restore the file from a copy"


class Link(NamedTuple):
    """One line: its place, what it says, and the hash by which the next line names it."""

    seq: int
    fields: Mapping[str, object]
    hash: str


class RunRecords:
    """The records of one run, read from the file each time they are iterated.

    ``head`` and ``torn_tail`` speak of what the latest iteration has read so far: the hash of
    the last whole line, and whether a torn one after it was set aside. A run without any whole
    line never started: it gives no records. ``on_read`` hears now and then how many bytes were
    read since. Of a file that grows meanwhile no more than ``up_to`` bytes are read.
    """

    def __init__(
        self,
        path: Path,
        on_read: Callable[[int], None] | None = None,
        *,
        up_to: int | None = None,
    ) -> None:
        self.path = path
        self._on_read = on_read
        self._up_to = up_to
        self.head: str | None = None
        self.torn_tail = False

    def __iter__(self) -> Iterator[Record]:
        """Read from first to last.

        Raises:
            JournalError: a line before the last is broken, the chain is, the file is not the
                record of this run, or it cannot be read.
        """
        stores = 0
        is_ended = False
        for seq, fields, _ in self.links():
            record = self._record(seq, fields)
            if is_ended:
                raise self._error(seq, "a record stands after the end of the run")
            is_ended = isinstance(record, LastRecord)
            if isinstance(record, Start):
                stores = self._begin(seq, record)
            elif isinstance(record, OfStore) and record.store >= stores:
                raise self._error(seq, f"the run has no store {record.store}")
            elif seq == 0:
                raise self._error(seq, "the first record does not start a run")
            yield record

    def links(self) -> Iterator[Link]:
        """Every whole line in its place in the chain, whatever it says. Raises as iterating."""
        self.head, self.torn_tail = None, False
        try:
            with self.path.open("rb") as file:
                lines = file if self._up_to is None else _limited(file, self._up_to)
                for seq, line in enumerate(self._counted(lines)):
                    fields = self._fields(seq, line)
                    if fields is None:
                        if line.endswith(b"\n") and file.peek(1):
                            raise self._error(seq, "the line is not JSON")
                        self.torn_tail = True
                        return
                    self._check_link(seq, fields)
                    self.head = hash_of(line)
                    yield Link(seq, fields, self.head)
        except OSError as error:
            reason = error.strerror or str(error)
            raise JournalError(
                f"the journal {self.path} cannot be read: {reason}", hint=_HINT
            ) from error

    def _counted(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        if self._on_read is None:
            yield from lines
            return
        count = 0
        for line in lines:
            yield line
            count += len(line)
            if count >= _TOLD_AFTER:
                self._on_read(count)
                count = 0
        self._on_read(count)

    def _fields(self, seq: int, line: bytes) -> Mapping[str, object] | None:
        try:
            return fields_of(line)
        except ValueError as error:
            raise self._error(seq, str(error)) from error

    def _check_link(self, seq: int, fields: Mapping[str, object]) -> None:
        if fields.get("seq") != seq:
            raise self._error(seq, f"'seq' is {fields.get('seq')!r} where {seq} is due")
        if fields.get("prev") != self.head:
            raise self._error(seq, "the chain is broken: 'prev' is not the hash of the line before")
        if seq == 0:
            self._check_format(fields)

    def _record(self, seq: int, fields: Mapping[str, object]) -> Record:
        try:
            return from_json(fields)
        except ValueError as error:
            raise self._error(seq, str(error)) from error

    def _check_format(self, fields: Mapping[str, object]) -> None:
        version = fields.get("format_version")
        if isinstance(version, str) and version.split(".")[0] != _MAJOR:
            raise JournalError(
                f"{self.path}:1: the record has format {version!r}, this version reads {_MAJOR}.x",
                hint="use the version of reconciler that wrote it, or a later one",
            )

    def _begin(self, seq: int, started: Start) -> int:
        if seq != 0:
            raise self._error(seq, "the run starts a second time")
        if started.run != self.path.stem:
            raise self._error(seq, f"the file holds the record of another run, {started.run!r}")
        return len(started.stores)

    def _error(self, seq: int, message: str) -> JournalError:
        return BrokenJournal(f"{self.path}:{seq + 1}", message, hint=_HINT)


def _limited(lines: Iterable[bytes], left: int) -> Iterator[bytes]:
    """The lines that lie within so many bytes; one that goes beyond is cut off there."""
    for line in lines:
        if left <= 0:
            return
        yield line[:left]
        left -= len(line)


def read_run(path: Path, on_read: Callable[[int], None] | None = None) -> RunRecords:
    """The records of the run in this file; nothing is read before they are iterated."""
    return RunRecords(path, on_read)
