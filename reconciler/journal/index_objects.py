"""The objects of the index: each holds the indexes of some runs, one after the other.

The runs are those of the log, in its order. Each run that is added brings an object of its own, and
of eight in a row that hold equally many runs one is made, so a log of 1,000 runs has at most 28. An
object is named by its hash, and the log names it: what it says cannot change unseen.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reconciler.errors import BrokenJournal
from reconciler.journal.folder import INDEX
from reconciler.journal.index import RunIndex, read_index
from reconciler.objects.interface import Objects

FANOUT = 8
"""So many objects that hold equally many runs become one."""
_NAME = re.compile(rf"runs/{INDEX}/[0-9a-f]{{64}}")
_HINT = "restore it from a copy of the state"


@dataclass(frozen=True, slots=True)
class IndexObject:
    """An object of the index."""

    runs: int
    """How many runs it holds."""
    sha256: str
    """The SHA-256 of its bytes, which is its name."""


def add_index(
    objects: Objects, before: tuple[IndexObject, ...], own: bytes
) -> tuple[IndexObject, ...]:
    """Create what holds a run's own index after ``before``; the objects from then on.

    Where one of those is not as it was, they begin anew: whoever asks reads the runs themselves.

    Raises:
        JournalError: nothing can be created or read.
    """
    runs, data, rest = 1, own, before
    try:
        while len(equal := rest[1 - FANOUT :]) == FANOUT - 1 and equal[0].runs == runs:
            data = b"".join([*(_load(objects, one) for one in equal), data])
            rest, runs = rest[: 1 - FANOUT], runs * FANOUT
    except BrokenJournal:
        runs, data, rest = 1, own, ()
    hashed = hashlib.sha256(data).hexdigest()
    objects.create(index_name(hashed), data)
    return (*rest, IndexObject(runs, hashed))


def read_indexes(objects: Objects, indexes: Iterable[IndexObject]) -> Iterator[RunIndex]:
    """The runs of these objects, in the order of the log.

    Raises:
        BrokenJournal: an object is missing, or is not as it was.
        JournalError: it cannot be read.
    """
    for one in indexes:
        try:
            yield from read_index(_load(objects, one))
        except ValueError as error:
            raise BrokenJournal(index_name(one.sha256), str(error), hint=_HINT) from error


def index_name(hashed: str) -> str:
    """The name of an object below the state folder."""
    return f"runs/{INDEX}/{hashed}"


def is_index_name(name: str) -> bool:
    """Whether it is such a name."""
    return _NAME.fullmatch(name) is not None


def _load(objects: Objects, one: IndexObject) -> bytes:
    name = index_name(one.sha256)
    data = objects.read(name)
    if data is None:
        raise BrokenJournal(name, "it is missing", hint=_HINT)
    if hashlib.sha256(data).hexdigest() != one.sha256:
        raise BrokenJournal(name, "it is not as it was written", hint=_HINT)
    return data
