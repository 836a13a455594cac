"""Run a SELECT: ask for what its columns need, many at a time, and give the rows in order."""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

from reconciler.errors import LiveError
from reconciler.live.store import ReadableStore
from reconciler.model.address import InstanceAddress
from reconciler.model.live import PRESENT, FileMeta, Observation, OddRow, Presence, StorageInfo
from reconciler.model.row import Blob, Row, Value
from reconciler.query.resource import PARAMETERS
from reconciler.query.statement import Column, Select

T = TypeVar("T")
R = TypeVar("R")

_IN_MEMORY = 1024 * 1024
"""Bytes of an instance that wait in memory for their turn; a larger one waits on disk."""

_PIECE = 3 * 64 * 1024
"""Bytes a piece: a multiple of three, so that the pieces' base64 joins to that of the whole."""

_STORAGE = {Column.SIZE_BYTES, Column.STORAGE_CLASS}
_FILE_META = {Column.SOP_CLASS_UID, Column.TRANSFER_SYNTAX_UID}
_ASKING = _STORAGE | _FILE_META | {Column.CONTENT_TYPE, Column.DATA}
"""The columns whose value a request must bring, and whose bringing proves presence."""


@dataclass(slots=True)
class Tally:
    """How many rows there are, how many instances are absent, and what went wrong."""

    rows: int = 0
    absent: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Found:
    """What was learned of one instance."""

    instance: InstanceAddress
    seen: Observation = PRESENT
    problem: str = ""
    content_type: str | None = None
    data: IO[bytes] | Path | None = None
    storage: StorageInfo = field(default_factory=StorageInfo)
    meta: FileMeta | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the instance is there, and all that was asked of it was answered."""
        return self.seen.presence is Presence.PRESENT and not self.problem


def select_rows(
    select: Select,
    store: ReadableStore,
    *,
    parallelism: int,
    output: Path | None,
    tally: Tally,
    on_read: Callable[[InstanceAddress, str], None],
) -> Iterator[Row]:
    """The rows of a SELECT, in the order of the statement or of the listing.

    Where the column ``presence`` is asked for, an absent or unknown instance has a row too; else
    it has none, and is counted in ``tally``. With ``output`` the instances are written below that
    folder, each under its address, and ``data`` is the path of the file. ``on_read`` hears of every
    instance whose bytes were asked for, and of what went wrong with it.

    Raises:
        LiveError: the store cannot be asked, or no longer answers at the end: then no absence
            that the rows show is proven.
    """
    columns = {one.column for one in select.outputs}
    end = tally.rows + (sys.maxsize if select.limit is None else select.limit)
    lookup = _Lookup(store, columns, output, is_listed=select.instance_uids is None)
    store.preflight(deleting=False)
    instances = _instances(select, store, tally)
    for found in _in_order(instances, lookup.find, parallelism, lambda: end - tally.rows):
        if found.problem:
            tally.problems.append(f"{found.instance}: {found.problem}")
        if Column.DATA in columns:
            problem = "" if found.is_whole else found.problem or found.seen.presence.value
            on_read(found.instance, problem)
        if found.seen.presence is Presence.ABSENT:
            tally.absent += 1
        if found.is_whole or Column.PRESENCE in columns:
            tally.rows += 1
            values = _values(select, found)
            yield {one.name: values[one.column] for one in select.outputs}
        if found.data is not None and not isinstance(found.data, Path):
            found.data.close()
    if tally.absent:
        store.preflight(deleting=False)


def _instances(select: Select, store: ReadableStore, tally: Tally) -> Iterator[InstanceAddress]:
    if select.series_uids is not None and select.instance_uids is not None:
        addresses = itertools.product(select.study_uids, select.series_uids, select.instance_uids)
        yield from itertools.starmap(InstanceAddress, addresses)
        return
    for study_uid in select.study_uids:
        for series_uid in select.series_uids or (None,):
            rows = set(store.list_instances(study_uid, series_uid))
            odd = {row for row in rows if isinstance(row, OddRow)}
            tally.problems += sorted(f"not addressable: {row}" for row in odd)
            yield from sorted(row for row in rows if not isinstance(row, OddRow))


class _Lookup:
    """Asks a store about one instance after another; from any thread."""

    def __init__(
        self, store: ReadableStore, columns: set[Column], output: Path | None, *, is_listed: bool
    ) -> None:
        self._store = store
        self._columns = columns
        self._output = output
        self._since = time.monotonic()
        # A listing shows what is there; only what is named one by one must be looked for.
        self._probes = Column.PRESENCE in columns or not (is_listed or columns & _ASKING)

    def find(self, instance: InstanceAddress) -> _Found:
        """Ask what the columns need; what goes wrong is in the answer."""
        found = _Found(instance)
        if self._probes:
            self._see(found)
            if found.seen.presence is not Presence.PRESENT:
                return found
        try:
            self._fill(found)
        except LiveError as error:
            self._see(found)
            if found.seen.presence is Presence.PRESENT:
                found.problem = str(error)
        except OSError as error:
            found.problem = f"{error.filename or self._output}: {error.strerror or error}"
        return found

    def _see(self, found: _Found) -> None:
        seen = self._store.probe(found.instance)
        found.seen = seen = self._store.confirmed(found.instance, seen, since=self._since)
        if seen.presence is Presence.UNKNOWN:
            found.problem = seen.detail

    def _fill(self, found: _Found) -> None:
        if self._columns & _STORAGE:
            found.storage = self._store.storage(found.instance)
        if self._columns & _FILE_META:
            found.meta = self._store.file_meta(found.instance)
        if self._columns & {Column.CONTENT_TYPE, Column.DATA}:
            self._retrieve(found)

    def _retrieve(self, found: _Found) -> None:
        with self._store.retrieve(found.instance) as body:
            found.content_type = body.content_type
            if Column.DATA not in self._columns:
                return
            if self._output is None:
                found.data = _spooled(body.chunks, body.length)
            else:
                found.data = self._output / f"{found.instance}.dcm".lstrip("/")
                _write(found.data, body.chunks, body.length)


def _spooled(chunks: Iterable[bytes], length: int | None) -> IO[bytes]:
    spool = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed with its row
    try:
        _copy(spool, chunks, length)
    except BaseException:
        spool.close()
        raise
    return spool


def _write(path: Path, chunks: Iterable[bytes], length: int | None) -> None:
    """Write a file that must not be there yet; under its final name only when it is whole."""
    if path.exists():
        raise FileExistsError(None, "it is there already, and is not replaced", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    try:
        with temporary.open("wb", buffering=0) as file:
            _copy(file, chunks, length)
        temporary.rename(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _copy(file: IO[bytes], chunks: Iterable[bytes], length: int | None) -> None:
    size = 0
    for chunk in chunks:
        file.write(chunk)
        size += len(chunk)
    if length is not None and size != length:
        raise LiveError(f"{size} bytes came where {length} were announced")


def _values(select: Select, found: _Found) -> dict[Column, Value]:
    parameters = {**select.store.as_parameters(), **found.instance.as_parameters()}
    return {
        **{column: parameters[column.value] for column in PARAMETERS},
        Column.CONTENT_TYPE: found.content_type,
        Column.DATA: _data(found.data),
        Column.EXTENSIONS: () if found.is_whole else None,
        Column.PRESENCE: found.seen.presence.value,
        Column.SIZE_BYTES: found.storage.size_bytes,
        Column.STORAGE_CLASS: found.storage.storage_class,
        Column.SOP_CLASS_UID: found.meta.sop_class_uid if found.meta else None,
        Column.TRANSFER_SYNTAX_UID: found.meta.transfer_syntax_uid if found.meta else None,
    }


def _data(data: IO[bytes] | Path | None) -> Value:
    if data is None:
        return None
    if isinstance(data, Path):
        return str(data)
    return Blob(data.tell(), _Pieces(data))


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The pieces of a file, from its beginning each time: several columns may hold them."""

    file: IO[bytes]

    def __iter__(self) -> Iterator[bytes]:
        self.file.seek(0)
        return iter(lambda: self.file.read(_PIECE), b"")


def _in_order(
    items: Iterable[T], work: Callable[[T], R], parallelism: int, wanted: Callable[[], int]
) -> Iterator[R]:
    """Work on many items at once, a few ahead of the one whose turn it is.

    ``wanted`` says how many results are of use yet: work on no more has begun at any time.
    """
    waiting = iter(items)
    window: deque[Future[R]] = deque()
    with ThreadPoolExecutor(parallelism, thread_name_prefix="query") as pool:
        try:
            while True:
                room = min(2 * parallelism, wanted()) - len(window)
                window.extend(pool.submit(work, one) for one in itertools.islice(waiting, room))
                if not window:
                    return
                yield window.popleft().result()
        finally:
            for future in window:
                future.cancel()
