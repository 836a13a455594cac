"""Writing the record of one run."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import Self

from reconciler.errors import JournalError
from reconciler.journal.commits import GroupCommit
from reconciler.journal.ending import add_left_runs, add_run
from reconciler.journal.folder import is_run_name
from reconciler.journal.read_only import FirstReadOnly
from reconciler.journal.records import FirstRecord, Record
from reconciler.journal.segments import line_of
from reconciler.journal.state import OBSERVATIONS, RUNS, Lease, State


class RunJournal:
    """The record of a run while it is written; may be used from several threads at once.

    The first failure is final: every later call, and every thread that waits, raises
    `JournalError`, and nothing more is written.
    """

    def __init__(
        self, state: State, folder: str, run: str, commits: GroupCommit, lease: Lease | None
    ) -> None:
        """Use `create`."""
        self._state = state
        self._folder = folder
        self._run = run
        self._commits = commits
        self._lease = lease
        self.head: str | None = None
        """The head of the log since the run is in it; None before."""

    @classmethod
    def create(cls, state: State, first: FirstRecord, lease: Lease | None = None) -> RunJournal:
        """Begin the record of a run; ``first`` is durable when this returns.

        Of an apply or a restore, ``lease`` is that of the locks of its stores.

        Raises:
            JournalError: it cannot be written, or there is a run of this name.
            ValueError: the name of the run cannot be the name of a file.
        """
        if not is_run_name(first.run):
            raise ValueError(f"not the name of a run: {first.run!r}")
        folder = OBSERVATIONS if isinstance(first, FirstReadOnly) else RUNS
        if folder == RUNS:
            add_left_runs(state, first.stores, lease.came_after if lease else lambda _: True)
        place = f"{state}/{folder}/{first.run}"
        try:
            sink = state.begin_run(folder, first.run)
        except OSError as error:
            raise JournalError(
                f"the journal {place} cannot be begun: {error.strerror or error}",
                hint="nothing was deleted; repair the state folder, or name another"
                " (--state; in Python: state=)",
            ) from error
        journal = cls(state, folder, first.run, GroupCommit(place, sink), lease)
        try:
            journal.commit(first)
        except JournalError:
            # Nothing was done in a run that never began, and a torn file would look as if.
            with suppress(JournalError):
                journal.close()
            with suppress(OSError):
                sink.discard()
            raise
        return journal

    @property
    def is_slow(self) -> bool:
        """Whether a record takes long to be durable."""
        return self._commits.is_slow

    @property
    def is_leased(self) -> bool:
        """Whether nobody can have taken the stores over; see `Lease.is_good`."""
        return self._lease is not None and self._lease.is_good

    def require_working(self) -> None:
        """Make sure that the record takes more: else it may be that of a run that was taken over.

        Raises:
            JournalError: the journal has failed or is closed.
        """
        self._commits.require_working()

    def append(self, record: Record) -> None:
        """Queue a record without waiting; it is durable with the next commit, or after `close`.

        Raises:
            JournalError: the journal has failed or is closed.
        """
        self._commits.append(line_of(record), awaited=False)

    def commit(self, record: Record) -> None:
        """Queue a record and wait until it, and all before it, are durable.

        Raises:
            JournalError: the journal has failed or is closed.
        """
        self._commits.wait(self._commits.append(line_of(record), awaited=True))

    def finish(self) -> str:
        """Close the record of a run that is over, and add it to the log; the head of that.

        Raises:
            JournalError: the journal has failed or is closed, or the log cannot be written.
        """
        self.close()
        file = self._state.run_file(self._folder, self._run)
        head = add_run(self._state, file) if file else None
        if head is None:
            raise JournalError(f"the record of run {self._run} is gone")
        self.head = head
        return head

    def close(self) -> None:
        """Make durable what is queued, and take no more; closing twice is no mistake.

        Raises:
            JournalError: the journal has failed, now or before.
        """
        self._commits.close()

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
