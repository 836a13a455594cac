"""Writing the record of one run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from reconciler.errors import JournalError
from reconciler.journal.chain import body_of, chained, hash_of
from reconciler.journal.durable import Batch, DurableFile
from reconciler.journal.folder import (
    is_run_name,
    make_folder,
    observation_file,
    run_file,
    sync_folder,
)
from reconciler.journal.read_only import FirstReadOnly
from reconciler.journal.records import FirstRecord, Record


class RunJournal:
    """The record of a run while it is written; may be used from several threads at once.

    The first failure of the disk is final: every later call, and every thread that waits, raises
    `JournalError`, and nothing more is written.
    """

    def __init__(self, file: DurableFile) -> None:
        """Use `create`."""
        self._file = file
        self._order = Lock()
        self._seq = 0
        self._last_hash: str | None = None

    @classmethod
    def create(cls, folder: Path, first: FirstRecord) -> RunJournal:
        """Begin the record of a run in a state folder; ``first`` is on disk when this returns.

        Raises:
            JournalError: it cannot be written, or there is a run of this name.
            ValueError: the name of the run cannot be the name of a file.
        """
        if not is_run_name(first.run):
            raise ValueError(f"not the name of a run: {first.run!r}")
        path = _file_of(folder, first)
        try:
            make_folder(path.parent)
            journal = cls(DurableFile(path))
        except OSError as error:
            raise _cannot_begin(path, error) from error
        try:
            journal.commit(first)
            sync_folder(path.parent)
        except (OSError, JournalError) as error:
            # Nothing was done in a run that never began, and a torn file would look as if.
            with suppress(OSError, JournalError):
                journal.close()
            with suppress(OSError):
                path.unlink()
            if isinstance(error, JournalError):
                raise
            raise _cannot_begin(path, error) from error
        return journal

    @property
    def head(self) -> str | None:
        """The hash of the last line that is known to be on disk."""
        line = self._file.last_line
        return hash_of(line) if line else None

    def append(self, record: Record) -> None:
        """Queue a record without waiting; it is on disk with the next commit, or after `close`.

        Raises:
            JournalError: the journal has failed or is closed.
        """
        self._enqueue(record, awaited=False)

    def commit(self, record: Record) -> None:
        """Queue a record and wait until it, and all before it, are on disk.

        Raises:
            JournalError: the journal has failed or is closed.
        """
        self._file.wait(self._enqueue(record, awaited=True))

    def _enqueue(self, record: Record, *, awaited: bool) -> Batch:
        body = body_of(record)
        with self._order:  # the order of the chain is the order in the file
            line = chained(body, self._seq, self._last_hash)
            batch = self._file.append(line, awaited=awaited)
            self._seq += 1
            self._last_hash = hash_of(line)
        return batch

    def close(self) -> None:
        """Bring what is queued to disk and close the file; closing twice is no mistake.

        Raises:
            JournalError: the journal has failed, now or before.
        """
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except JournalError:
            if error is None:  # what ended the block says more
                raise


def _file_of(folder: Path, first: FirstRecord) -> Path:
    if isinstance(first, FirstReadOnly):
        return observation_file(folder, first.run)
    return run_file(folder, first.run)


def _cannot_begin(path: Path, error: OSError) -> JournalError:
    reason = error.strerror or str(error)
    return JournalError(
        f"the journal {path} cannot be begun: {reason}",
        hint="nothing was deleted; see to the state folder, or name another with --state",
    )
