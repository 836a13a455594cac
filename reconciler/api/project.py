"""Where the desired-state files are, and where the record is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from reconciler.api import machine
from reconciler.api.listener import SILENT, Listener
from reconciler.checkout import Checkout, Git, require_own_state
from reconciler.errors import GitError, StateRefused, UsageError
from reconciler.journal.places.bucket import BucketState
from reconciler.journal.places.disk import DiskState
from reconciler.journal.places.epoch import STORES
from reconciler.journal.places.locks import LOCKS
from reconciler.journal.state import State
from reconciler.objects.opening import open_objects

STATE_FOLDER = ".reconciler"


@dataclass(frozen=True, slots=True, repr=False)
class Project:
    """An open project; pass it to the functions that read files or the record.

    ``root`` is its folder, ``state`` the place of record and locks, ``checkout`` the git checkout
    of the files. With ``only_reads`` only `load` and `read_record` accept it. Each process opens
    its own: pass the arguments of `open` to workers.
    """

    root: Path
    state: State
    checkout: Checkout
    only_reads: bool = False

    @classmethod
    def open(
        cls,
        root: str | Path,
        *,
        state: str | Path | None = None,
        git_environment: Mapping[str, str] = MappingProxyType({}),
        only_reads: bool = False,
        listener: Listener = SILENT,
    ) -> Self:
        """Open the project in a folder.

        Args:
            root: The folder that holds ``specs/``; paths of plans are relative to it.
            state: A folder, relative to the current working directory, or the URL of a bucket
                (``gs://``, ``s3://``, ``az://``, or ``file://`` for a folder with the layout of
                one). The bucket's library finds its credentials as usual.
                Default: ``.reconciler`` in ``root``.
            git_environment: The environment of git, such as ``os.environ`` for the user's
                configuration. Default: empty, so git uses only the system's configuration.
            only_reads: The record is only read, so a state folder is accepted, with a note, if
                git cannot say whether it came with the checkout.
            listener: Receives the note.

        Raises:
            UsageError: the folder does not exist, or the URL names no bucket.
            StateRefused: the state came with the checkout or leads out of itself, or that is not
                known.
            JournalError: the bucket cannot be opened.

        Example:
            >>> project = reconciler.Project.open(folder)
            >>> project.root == folder
            True
        """
        folder = Path(root)
        if not folder.is_dir():
            raise UsageError(f"the root {folder} is not a folder")
        folder = folder.resolve()
        git = Git.of(git_environment)
        opened = _open_state(state, folder, git, listener, only_reads=only_reads)
        return cls(folder, opened, Checkout(folder, git), only_reads)

    def require_believed(self) -> None:
        """Make sure that what the record says may decide about deletions.

        Raises:
            UsageError: the project was opened to be read alone, whoever wrote the record.
        """
        if self.only_reads:
            raise UsageError(
                "the project was opened to read its record alone",
                hint="open it without only_reads",
            )

    def __repr__(self) -> str:
        """Its two places."""
        return f"Project({str(self.root)!r}, state={str(self.state)!r})"


def _open_state(
    given: str | Path | None, root: Path, git: Git, listener: Listener, *, only_reads: bool
) -> State:
    """Open it once a folder is known to be no part of what was checked out."""
    if isinstance(given, str) and "://" in given:
        bucket = open_objects(given)
        _require_layout(next(bucket.names(LOCKS), None) is None, given, "a state folder")
        return BucketState(bucket, machine.now)
    # The working directory may change between one call with the project and the next.
    folder = Path(given).absolute() if given is not None else root / STATE_FOLDER
    try:
        require_own_state(folder, is_named=given is not None, git=git)
    except GitError as error:
        unknown = f"whether git tracks the state folder {folder} is not known: {error}"
        if not only_reads:
            raise StateRefused(unknown, hint=error.hint) from error
        listener.note(f"note: {unknown}")
    _require_layout(not (folder / STORES).exists(), str(folder), "state of the bucket's layout")
    return DiskState(folder)


def _require_layout(is_own: bool, place: str, other: str) -> None:  # noqa: FBT001 - inner
    """Refuse a place with the other layout: the locks of the two do not see each other."""
    if not is_own:
        raise StateRefused(
            f"{place} holds {other}",
            hint="name a folder by its path, and one that is used as a bucket by its file:// URL",
        )
