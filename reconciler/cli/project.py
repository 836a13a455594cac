"""Where the project is, and what git says of it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

from reconciler.errors import UsageError
from reconciler.model.desired import InputFile
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


def folder_in_repository(root: Path) -> str:
    """The project's root as seen from the top of its git tree; empty where it is that, or none."""
    tops = (folder for folder in (root, *root.parents) if (folder / ".git").exists())
    folder = root.relative_to(next(tops, root)).as_posix()
    return "" if folder == "." else folder


def git_state(root: Path, inputs: Iterable[InputFile]) -> GitState | None:
    """How the input files stand to HEAD; None without a repository, a commit, or git.

    Nothing else of the work tree counts: the state folder and plan files may lie in it.
    """
    commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    listing = _git(root, "ls-tree", "-r", "-z", "HEAD")
    if commit is None or listing is None:
        return None
    paths = {file.path for file in inputs}
    # Each line is mode, type and blob, a tab, and the path.
    tracked = {line.partition("\t")[2]: line for line in listing.split("\0")}
    held = [tracked[path] for path in sorted(paths & tracked.keys())]
    tree = hashlib.sha256("\0".join(held).encode(errors="surrogateescape"))
    changed = _git(root, "diff", "--name-only", "-z", "--relative", "HEAD") or ""
    dirty = bool(paths - tracked.keys() or paths.intersection(changed.split("\0")))
    return GitState(commit.strip(), tree.hexdigest(), dirty)


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            ["git", "-C", str(root), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
