"""Where the project and its state are, and the git that is asked about both."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from reconciler.checkout import Checkout, Git, require_own_state
from reconciler.cli import environment
from reconciler.cli.options.shared import StateAddress
from reconciler.cli.output.console import say
from reconciler.errors import GitError, StateRefused, UsageError
from reconciler.journal.places.bucket import BucketState
from reconciler.journal.places.disk import DiskState
from reconciler.journal.places.epoch import STORES
from reconciler.journal.places.locks import LOCKS
from reconciler.journal.state import State
from reconciler.objects.opening import open_objects

STATE_FOLDER = ".reconciler"


def find_root(given: Path | None) -> Path:
    """The project's root: as given, else the git top level, else the working directory.

    Raises:
        UsageError: the folder that was given does not exist.
    """
    if given is not None:
        if not given.is_dir():
            raise UsageError(f"--root {given} is not a folder")
        return given.resolve()
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def folder_in_repository(root: Path) -> str:
    """The project's root as seen from the top of its git tree; empty where it is that, or none."""
    tops = (folder for folder in (root, *root.parents) if (folder / ".git").exists())
    folder = root.relative_to(next(tops, root)).as_posix()
    return "" if folder == "." else folder


def git() -> Git:
    """The user's own git."""
    return Git.of(os.environ)


def checkout_of(root: Path) -> Checkout:
    """The work tree that the project's files are read from."""
    return Checkout(root, git())


def find_folder(given: StateAddress | None, root: Path) -> Path | None:
    """The state folder, whatever lies there; None where the state is in a bucket."""
    if isinstance(given, str):
        return None
    return given if given is not None else root / STATE_FOLDER


def open_state(given: StateAddress | None, root: Path, *, only_reads: bool = False) -> State:
    """Where journal and locks are, once a folder is known to be no part of what was checked out.

    What ``only_reads`` the record goes on with a note where git cannot be asked.

    Raises:
        StateRefused: it came with the checkout or leads out of itself, or that is not known.
        UsageError: it is a URL that names no bucket.
        JournalError: the bucket cannot be opened.
    """
    if isinstance(given, str):
        bucket = open_objects(given)
        _require_layout(next(bucket.names(LOCKS), None) is None, given, "a state folder")
        return BucketState(bucket, environment.now)
    folder = given if given is not None else root / STATE_FOLDER
    try:
        require_own_state(folder, is_named=given is not None, git=git())
    except GitError as error:
        unknown = f"whether git tracks the state folder {folder} is not known: {error}"
        if not only_reads:
            raise StateRefused(unknown, hint=error.hint) from error
        say(f"note: {unknown}")
    _require_layout(not (folder / STORES).exists(), str(folder), "state of the bucket's layout")
    return DiskState(folder)


def _require_layout(is_own: bool, place: str, other: str) -> None:  # noqa: FBT001 - inner
    """Refuse a place with the other layout: the locks of the two do not see each other."""
    if not is_own:
        raise StateRefused(
            f"{place} holds {other}",
            hint="name a folder by its path, and one that is used as a bucket by its file:// URL",
        )


def status_command(state: State) -> str:
    """What says how to resume the runs on record, as a shell takes it."""
    return shlex.join(["reconciler", "status", "--state", str(state)])
