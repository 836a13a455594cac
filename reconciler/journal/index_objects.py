"""The objects of the index: each holds the indexes of some runs, one after the other.

The runs are those of the log, in its order. Each run that is added brings an object of its own, and
of eight in a row that hold equally many runs one is made, so a log of 1,000 runs has at most 28. An
object is named by its hash, and the log names it: what it says cannot change unseen.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from reconciler.errors import BrokenJournal
from reconciler.journal.folder import INDEX
from reconciler.journal.index import RunIndex, read_index
from reconciler.model.as_json import as_json
from reconciler.objects.interface import Objects

FANOUT = 8
"""So many objects that hold equally many runs become one."""
_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(rf"runs/{INDEX}/{_HASH.pattern}")
_HINT = "restore it from a copy of the state"


def _checked(text: str) -> str:
    if _HASH.fullmatch(text) is None:
        raise ValueError(f"not a SHA-256: {text!r:.80}")
    return text


@dataclass(frozen=True, slots=True)
class IndexObject:
    """An object of the index."""

    runs: int
    """How many runs it holds."""
    sha256: str = field(metadata=as_json(check=_checked))
    """The SHA-256 of its bytes, which is its name."""


def add_index(
    objects: Objects, before: tuple[IndexObject, ...], own: bytes
) -> tuple[IndexObject, ...]:
    """Create what holds a run's own index after ``before``; the objects from then on.

    Where one of those is not as it was, it stays as it is, and so do those beside it: whoever asks
    reads the runs of it themselves.

    Raises:
        JournalError: nothing can be created or read.
    """
    runs, data, rest = 1, own, before
    with suppress(BrokenJournal):
        while [one.runs for one in rest[1 - FANOUT :]] == [runs] * (FANOUT - 1):
            data = b"".join([*(_load(objects, one) for one in rest[1 - FANOUT :]), data])
            rest, runs = rest[: 1 - FANOUT], runs * FANOUT
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
        data = _load(objects, one)
        try:
            found = list(read_index(data))
        except ValueError as error:
            raise BrokenJournal(index_name(one.sha256), str(error), hint=_HINT) from error
        if len(found) != one.runs:
            message = f"the number of its runs is {len(found)}, and not {one.runs}"
            raise BrokenJournal(index_name(one.sha256), message, hint=_HINT)
        yield from found


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
