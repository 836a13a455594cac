"""The limit of several processes: one memory, in a file without a name that all of them map.

What they change they change under a lock of the file, which ends with its process however that
dies. What went through is counted by each process in its own part, without one.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from math import floor, isnan, nan
from struct import Struct

from reconciler.errors import ReconcilerError
from reconciler.live.http.rate import REMEMBERED, TICKS, Limit

_LIMIT = Struct("=9d")
_NUMBER = Struct("=d")
_COUNT = Struct("=qq")
_SLOTS = REMEMBERED * TICKS
_HEAD = 128
_PART = _SLOTS * _COUNT.size


class SharedMemory:
    """The part of one process; see `Memory`. All clocks are the machine's monotonic one."""

    def __init__(
        self,
        descriptor: int,
        *,
        own: int,
        processes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Map the file of ``processes`` of which this one has the number ``own``, from 0.

        Processes take a while to start: without a 429 so far, the requests begin with the latest.
        """
        self._descriptor = descriptor
        self._map = mmap.mmap(descriptor, _size_for(processes))
        self._own = own
        self._processes = processes
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        with self.changing() as limit:
            if limit.halved is None:
                limit.opened = clock()

    @property
    def rate(self) -> float | None:
        """As `Memory`: eight bytes that are written at once."""
        return _known(_NUMBER.unpack_from(self._map)[0])

    @contextmanager
    def changing(self) -> Iterator[Limit]:
        """As `Memory`."""
        with self._lock:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
            try:
                rate, refused, opened, following, changed, halved, *learned = _LIMIT.unpack_from(
                    self._map
                )
                in_vain, is_known, is_of_minute = learned
                limit = Limit(
                    _known(rate),
                    refused,
                    opened,
                    following,
                    changed,
                    _known(halved),
                    int(in_vain),
                    bool(is_known),
                    bool(is_of_minute),
                )
                yield limit
                _write(self._map, limit)
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def add_passed(self, now: float) -> None:
        """As `Memory`."""
        tick = floor(now * TICKS)
        place = _place(self._own, tick)
        with self._counting:
            then, count = _COUNT.unpack_from(self._map, place)
            _COUNT.pack_into(self._map, place, tick, count + 1 if then == tick else 1)

    def passed_in(self, ticks: range) -> int:
        """As `Memory`."""
        passed = 0
        for own in range(self._processes):
            for tick in ticks:
                then, count = _COUNT.unpack_from(self._map, _place(own, tick))
                passed += count if then == tick else 0
        return passed


@contextmanager
def opened_memory(limit: Limit, processes: int) -> Iterator[int]:
    """Open the file for so many processes; its descriptor, which each of them must be given.

    Raises:
        ReconcilerError: there is no room for it.
    """
    with ExitStack() as opened:
        try:
            file = opened.enter_context(
                tempfile.TemporaryFile(prefix="reconciler-rate-", buffering=0)
            )
            _fill(file, _size_for(processes))
        except OSError as error:
            raise ReconcilerError(
                f"the rate that processes share cannot be written to a temporary file:"
                f" {error.strerror or error}",
                hint="free space in the folder for temporary files, or set TMPDIR to another",
            ) from error
        with mmap.mmap(file.fileno(), 0) as memory:
            _write(memory, limit)
        yield file.fileno()


def _fill(file: FileIO, size: int) -> None:
    """Write it, not leave it sparse: a map of what has no room would kill the process."""
    if file.write(bytes(size)) < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _size_for(processes: int) -> int:
    return _HEAD + processes * _PART


def _place(process: int, tick: int) -> int:
    return _HEAD + process * _PART + tick % _SLOTS * _COUNT.size


def _write(memory: mmap.mmap, limit: Limit) -> None:
    _LIMIT.pack_into(
        memory,
        0,
        nan if limit.rate is None else limit.rate,
        limit.refused_at,
        limit.opened,
        limit.next_slot,
        limit.changed,
        nan if limit.halved is None else limit.halved,
        limit.in_vain,
        limit.is_known,
        limit.is_of_minute,
    )


def _known(number: float) -> float | None:
    return None if isnan(number) else number
