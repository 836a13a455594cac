"""Records become durable, many of them at once.

One thread writes. While it waits for the disk or the bucket, the records of all other threads
gather in the next segment, which costs one wait however many it holds (group commit).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Condition, Event, Thread

from reconciler.errors import JournalError
from reconciler.journal.segments import SegmentWriter
from reconciler.journal.state import SegmentSink

_GATHER = 1.0
"""Seconds that a slow place waits for a record that somebody waits for."""
_WINDOW = 0.025
"""Seconds that it then waits for more of them."""


@dataclass(slots=True)
class Batch:
    """Records of one segment; ``awaited`` says that a thread waits for them."""

    lines: list[bytes] = field(default_factory=list)
    awaited: bool = False
    stored: bool = False
    done: Event = field(default_factory=Event)


class GroupCommit:
    """Writes the records of a run; every method may be called from several threads at once.

    The first failure is final: nothing more is written and every later call raises it.
    """

    def __init__(self, place: str, sink: SegmentSink) -> None:
        """Begin to write; ``place`` is for messages."""
        self._place = place
        self._sink = sink
        self._work = Condition()
        self._pending = Batch()
        self._storing = Batch()
        self._is_closing = False
        self._failure: str | None = None
        self._segments = SegmentWriter()
        self._thread = Thread(target=self._run, name=f"journal {place}", daemon=True)
        self._thread.start()

    def require_working(self) -> None:
        """Raise JournalError if nothing more can be written."""
        if self._failure is not None or self._is_closing:
            raise self._error()

    @property
    def is_slow(self) -> bool:
        """Whether a record takes long to be durable."""
        return self._sink.gathers

    def append(self, line: bytes, *, awaited: bool) -> Batch:
        """Queue a record; unless it is awaited, it is durable with the next one that is.

        Raises:
            JournalError: the journal has failed or is closed.
        """
        with self._work:
            if self._failure is not None or self._is_closing:
                raise self._error()
            self._pending.lines.append(line)
            self._pending.awaited |= awaited
            self._work.notify()
            return self._pending

    def wait(self, batch: Batch) -> None:
        """Wait until an awaited record, and all before it, are durable.

        Raises:
            JournalError: the journal has failed; the record may or may not be durable.
        """
        batch.done.wait()
        if not batch.stored:
            raise self._error()

    def close(self) -> None:
        """Make durable what is queued, and take no more; closing twice is no mistake.

        Raises:
            JournalError: the journal has failed, now or before.
        """
        with self._work:
            self._is_closing = True
            self._work.notify()
        self._thread.join()
        if self._failure is not None:
            raise self._error()

    def _error(self) -> JournalError:
        return JournalError(
            f"the journal {self._place} cannot be written: {self._failure or 'it is closed'}",
            hint="nothing more is deleted; repair the state folder, then apply again to resume",
        )

    def _run(self) -> None:
        failure: str | None = "its writer ended unexpectedly"
        try:
            while batch := self._next_batch():
                self._sink.write(self._segments.make(batch.lines), is_awaited=batch.awaited)
                batch.stored = True
                batch.done.set()
            self._sink.close()
            failure = None
        except OSError as error:
            failure = error.strerror or str(error)
        finally:
            self._end(failure)

    def _next_batch(self) -> Batch | None:
        """The records of the next segment; None where there is no more to come."""
        with self._work:
            self._work.wait_for(lambda: self._pending.lines or self._is_closing)
            if self._sink.gathers:
                self._work.wait_for(lambda: self._pending.awaited or self._is_closing, _GATHER)
                self._work.wait_for(lambda: self._is_closing, _WINDOW)
            if not self._pending.lines:
                return None
            self._storing, self._pending = self._pending, Batch()
            return self._storing

    def _end(self, failure: str | None) -> None:
        """Let no one wait for a thread that has ended."""
        with self._work:
            self._failure = failure
            self._is_closing = True
            self._storing.done.set()
            self._pending.done.set()
