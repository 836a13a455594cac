"""Where the project is, and what git says of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from reconciler.errors import UsageError
from reconciler.model.plan import GitState

_GIT_SECONDS = 30


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


def git_state(root: Path) -> GitState | None:
    """The commit and whether tracked files differ from it; None without a repository or git."""
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return None
    return GitState(commit, dirty=bool(_git(root, "status", "--porcelain", "-uno")))


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            ["git", "-C", str(root), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
