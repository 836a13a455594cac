"""A file that only grows, and whose lines are on disk when it says so.

One thread writes. While it waits for the disk, the lines of all other threads gather in the next
batch, which costs one fsync however many lines it holds (group commit).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Event, Thread

from reconciler.errors import JournalError

FILE_MODE = 0o600
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC


@dataclass(slots=True)
class Batch:
    """Lines that go to disk together; ``awaited`` says that a thread waits for them."""

    lines: list[bytes] = field(default_factory=list)
    awaited: bool = False
    stored: bool = False
    done: Event = field(default_factory=Event)


class DurableFile:
    """A new file of lines; every method may be called from several threads at once.

    The first failure is final: nothing more is written and every later call raises it. What a
    failed write left half done stays in the file, as a torn tail.
    """

    def __init__(self, path: Path) -> None:
        """Create the file, which must not exist.

        Raises:
            OSError: it cannot be created.
        """
        self._path = path.absolute()
        self._file = os.fdopen(os.open(path, _FLAGS, FILE_MODE), "ab", buffering=0)
        self._work = Condition()
        self._pending = Batch()
        self._storing = Batch()
        self._is_closing = False
        self._failure: str | None = None
        self._written = self._durable = b""
        self._thread = Thread(target=self._run, name=f"journal {path.name}", daemon=True)
        self._thread.start()

    @property
    def last_line(self) -> bytes:
        """The last line that is known to be on disk; empty before the first."""
        return self._durable

    def append(self, line: bytes, *, awaited: bool) -> Batch:
        """Queue a line; unless it is awaited, it is on disk with the next one that is.

        Raises:
            JournalError: the file has failed or is closed.
        """
        with self._work:
            if self._failure is not None or self._is_closing:
                raise self._error()
            self._pending.lines.append(line)
            self._pending.awaited |= awaited
            self._work.notify()
            return self._pending

    def wait(self, batch: Batch) -> None:
        """Wait until an awaited line, and all before it, are on disk.

        Raises:
            JournalError: the file has failed; the line may or may not be on disk.
        """
        batch.done.wait()
        if not batch.stored:
            raise self._error()

    def close(self) -> None:
        """Bring what is queued to disk and close the file; closing twice is no mistake.

        Raises:
            JournalError: the file has failed, now or before.
        """
        with self._work:
            self._is_closing = True
            self._work.notify()
        self._thread.join()
        if self._failure is not None:
            raise self._error()

    def _error(self) -> JournalError:
        return JournalError(
            f"the journal {self._path} cannot be written: {self._failure or 'it is closed'}",
            hint="nothing more is deleted; repair the state folder, then apply again to resume",
        )

    def _run(self) -> None:
        failure: str | None = "its writer ended unexpectedly"
        try:
            with self._file:
                while batch := self._next_batch():
                    self._store(batch)
                if self._durable is not self._written:
                    self._sync()
            failure = None
        except OSError as error:
            failure = error.strerror or str(error)
        finally:
            self._end(failure)

    def _next_batch(self) -> Batch | None:
        with self._work:
            self._work.wait_for(lambda: self._pending.lines or self._is_closing)
            if not self._pending.lines:
                return None
            self._storing, self._pending = self._pending, Batch()
            return self._storing

    def _store(self, batch: Batch) -> None:
        rest = memoryview(b"".join(batch.lines))
        while rest:
            rest = rest[self._file.write(rest) :]
        self._written = batch.lines[-1]
        if batch.awaited:
            self._sync()
        batch.stored = True
        batch.done.set()

    def _sync(self) -> None:
        """Wait for the disk, and make sure that the file can still be found by its name."""
        descriptor = self._file.fileno()
        os.fsync(descriptor)
        if not os.path.samestat(os.fstat(descriptor), self._path.stat()):
            raise FileNotFoundError("another file has taken its place")
        self._durable = self._written

    def _end(self, failure: str | None) -> None:
        """Let no one wait for a thread that has ended."""
        with self._work:
            self._failure = failure
            self._is_closing = True
            self._storing.done.set()
            self._pending.done.set()
