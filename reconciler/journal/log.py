"""The log of the runs that are over: `runs/` and `observations/` have one each.

Its entries are numbered from 1 and created once, each with the SHA-256 of the one before. So the
hash of the latest entry, the *head*, says of every run in the log what its record is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.errors import BrokenJournal
from reconciler.journal.folder import LOG
from reconciler.journal.index_objects import IndexObject, add_index
from reconciler.journal.reader import RunRecords
from reconciler.json_codec import codec_of
from reconciler.objects.interface import Objects

_HINT = "restore the state folder from a copy"
_ENTRY = re.compile(rf"[a-z]+/{LOG}/([0-9]{{8}})\.json")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A run that is over, and what its record is."""

    number: int
    """Counts the entries from 1."""
    previous: str | None
    """The SHA-256 of the entry before; null in the first."""
    run: str
    """The run."""
    size: int
    """How many records it has."""
    root: str
    """The root of the tree over them."""
    indexes: tuple[IndexObject, ...] = ()
    """What indexes the runs up to this one; see `index_objects`."""

    def change(self, size: int, root: str) -> str | None:
        """How a run of this size and root is otherwise than it was when it was over."""
        return change_of((self.size, self.root), (size, root))


class Logged(NamedTuple):
    """An entry with its hash, which is the head of the log up to it."""

    entry: LogEntry
    head: str


class RunLog:
    """The log of the changing runs, or of the observations, of a state folder."""

    def __init__(self, objects: Objects, folder: str) -> None:
        """Of `state.RUNS` or `state.OBSERVATIONS`."""
        self._objects = objects
        self._folder = folder

    def __iter__(self) -> Iterator[Logged]:
        """The entries that are there, by their numbers.

        Raises:
            JournalError: they cannot be listed or read, or one is no entry.
        """
        for number in self.numbers():
            if logged := self.at(number):
                yield logged

    def latest(self) -> Logged | None:
        """The last entry, by its number: a listing that lacks the newest ones does no harm.

        Raises:
            JournalError: the log cannot be read.
        """
        number = max(self.numbers(), default=0)
        latest = self.at(number) if number else None
        if number and latest is None:
            raise self._lost(number)
        while following := self.at(number + 1):
            latest, number = following, number + 1
        return latest

    def add(self, run: str, size: int, root: str, index: bytes | None = None) -> str:
        """Add a run that is over, with its index, if it has one; the head from then on.

        Raises:
            JournalError: it cannot be written, or the log cannot be read.
        """
        while True:
            latest = self.latest()
            number, previous = (latest.entry.number, latest.head) if latest else (0, None)
            indexes = latest.entry.indexes if latest else ()
            if index is not None:
                indexes = add_index(self._objects, indexes, index)
            entry = LogEntry(number + 1, previous, run, size, root, indexes)
            data = json.dumps(codec_of(LogEntry).write(entry)).encode("ascii") + b"\n"
            if self._objects.create(entry_name(self._folder, entry.number), data):
                return _hash_of(data)
            if self.at(entry.number) is None:
                raise self._lost(entry.number)

    def numbers(self) -> Iterator[int]:
        """The numbers of the entries that are there, in order.

        Raises:
            JournalError: they cannot be listed.
        """
        for name in self._objects.names(f"{self._folder}/{LOG}"):
            if found := _ENTRY.fullmatch(name):
                yield int(found[1])

    def at(self, number: int) -> Logged | None:
        """The entry of this number; None if there is none.

        Raises:
            JournalError: it cannot be read, or is no entry.
        """
        name = entry_name(self._folder, number)
        data = self._objects.read(name)
        if data is None:
            return None
        try:
            entry = codec_of(LogEntry).read(json.loads(data))
        except (ValueError, RecursionError) as error:
            raise BrokenJournal(name, f"it is no entry of the log: {error}", hint=_HINT) from error
        if entry.number != number:
            raise BrokenJournal(name, f"it is entry {entry.number} of the log", hint=_HINT)
        return Logged(entry, _hash_of(data))

    def _lost(self, number: int) -> BrokenJournal:
        return BrokenJournal(
            entry_name(self._folder, number), "its name is there, and it is not", hint=_HINT
        )


def measured(records: RunRecords) -> tuple[int, str]:
    """The size and the root of what was read of a run, and measured."""
    return (records.tree.size, records.tree.root) if records.tree else (0, "")


def require_as_logged(records: RunRecords, size: int, root: str) -> None:
    """Hold a run that was read to its end, and measured, against what the log says of it.

    Raises:
        BrokenJournal: it is not as it was when it was over.
    """
    if change := change_of((size, root), measured(records)):
        raise BrokenJournal(records.file.place, change, hint=_HINT)


def change_of(logged: tuple[int, str], found: tuple[int, str]) -> str | None:
    """How a run of this size and root is otherwise than the log has it."""
    (size, root), (found_size, found_root) = logged, found
    if found_size < size:
        return f"it was cut off: it has {found_size} of {size} records"
    if found_size > size:
        return f"records were added to it after it was over, which had {size}"
    return None if found_root == root else "a record was modified after the end of the run"


def entry_name(folder: str, number: int) -> str:
    """The name of an entry below the state folder; ``folder`` is that of the runs."""
    return f"{folder}/{LOG}/{number:08}.json"


def is_entry_name(name: str) -> bool:
    """Whether it is such a name."""
    return _ENTRY.fullmatch(name) is not None


def _hash_of(entry: bytes) -> str:
    return hashlib.sha256(entry).hexdigest()
