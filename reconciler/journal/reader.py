"""Reading the record of one run, and proving while reading that it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from reconciler.errors import BrokenJournal, JournalError
from reconciler.journal.bases import FORMAT_VERSION, OfStore, Start
from reconciler.journal.codec import from_json
from reconciler.journal.records import Fenced, LastRecord, Record
from reconciler.journal.segments import SegmentChecker, fields_of, is_header
from reconciler.journal.state import RunFile
from reconciler.journal.tree import RecordTree

_TOLD_AFTER = 1 << 20
_MAJOR = FORMAT_VERSION.split(".")[0]
_HINT = "a broken record may hide deletions, so nothing is deleted; restore the file from a copy"


class RunRecords:
    """The records of one run, read from the file each time they are iterated.

    What the latest iteration has read so far: ``tree`` is that over the records, where it
    ``measures``; ``torn_tail`` says that a torn line after them was set aside, and ``is_void`` that
    another run took over before this one began. A run without any whole record never started: it
    gives none. ``on_read`` hears now and then how many bytes were read since.
    """

    def __init__(
        self,
        file: RunFile,
        on_read: Callable[[int], None] | None = None,
        *,
        measures: bool = False,
    ) -> None:
        self.file = file
        self._on_read = on_read
        self._measures = measures
        self._line = 0
        self.tree: RecordTree | None = None
        self.torn_tail = False
        self.is_void = False

    @property
    def place(self) -> str:
        """The file, with the line that was read last."""
        return f"{self.file.place}:{self._line}"

    def __iter__(self) -> Iterator[Record]:
        """Read from first to last.

        Raises:
            JournalError: a line before the last is broken, the chain of segments is, the file is
                not the record of this run, or it cannot be read.
        """
        self.tree, self.torn_tail, self.is_void, self._line = None, False, False, 0
        started: Start | None = None
        is_ended = False
        for line, fields in self._lines():
            if started is None:
                self._check_format(fields)
            record = self._record(fields)
            if is_ended:
                raise self._error("a record follows the end of the run")
            is_ended = isinstance(record, LastRecord)
            if isinstance(record, Start):
                if started is not None:
                    raise self._error("the run starts a second time")
                started = record
                self.tree = self._tree_of(started)
            elif isinstance(record, Fenced) and started is None:
                self.is_void = True
                return
            elif started is None:
                raise self._error("the first record does not start a run")
            elif isinstance(record, OfStore) and record.store >= len(started.stores):
                raise self._error(f"the run has no store {record.store}")
            if self.tree is not None:
                self.tree.add(line)
            yield record

    def _lines(self) -> Iterator[tuple[bytes, Mapping[str, object]]]:
        """Every whole record that stands in its place in the chain of segments."""
        checker = SegmentChecker()
        try:
            with self.file.open() as file:
                for line in self._counted(file):
                    self._line += 1
                    fields = self._fields(line)
                    if fields is None:
                        if line.endswith(b"\n") and file.read(1):
                            raise self._error("the line is not JSON")
                        self.torn_tail = True
                        return
                    if is_header(line):
                        self._begin_segment(checker, line, fields)
                    elif checker.count:
                        checker.take(line)
                        yield line, fields
                    else:
                        raise self._error("the file does not begin with a segment")
        except OSError as error:
            reason = error.strerror or str(error)
            raise JournalError(
                f"the journal {self.file.place} cannot be read: {reason}", hint=_HINT
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

    def _fields(self, line: bytes) -> Mapping[str, object] | None:
        try:
            return fields_of(line)
        except ValueError as error:
            raise self._error(str(error)) from error

    def _begin_segment(
        self, checker: SegmentChecker, line: bytes, header: Mapping[str, object]
    ) -> None:
        try:
            checker.begin(line, header)
        except ValueError as error:
            raise self._error(str(error)) from error

    def _record(self, fields: Mapping[str, object]) -> Record:
        try:
            return from_json(fields)
        except ValueError as error:
            raise self._error(str(error)) from error

    def _check_format(self, fields: Mapping[str, object]) -> None:
        version = fields.get("format_version")
        if isinstance(version, str) and version.split(".")[0] != _MAJOR:
            raise JournalError(
                f"{self.place}: the record has format {version!r}, this version reads {_MAJOR}.x",
                hint="use the version of reconciler that wrote it, or a later one",
            )

    def _tree_of(self, started: Start) -> RecordTree | None:
        if started.run != self.file.name:
            raise self._error(f"the file holds the record of another run, {started.run!r}")
        return RecordTree(started.secret) if self._measures else None

    def _error(self, message: str) -> JournalError:
        return BrokenJournal(self.place, message, hint=_HINT)
