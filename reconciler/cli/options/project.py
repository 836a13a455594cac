"""Where the project and its state are, and the git that is asked about both."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.api.project import STATE_FOLDER, Project
from reconciler.checkout import Checkout, Git
from reconciler.cli.options.listening import Console
from reconciler.cli.options.shared import StateAddress
from reconciler.errors import UsageError


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


def open_project(given: StateAddress | None, root: Path, *, only_reads: bool = False) -> Project:
    """As `Project.open`, with the user's own git."""
    return Project.open(
        root,
        state=given,
        git_environment=os.environ,
        only_reads=only_reads,
        listener=Console(),
    )
