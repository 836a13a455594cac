"""What lies in a work tree, looked at without following a link, and the links on the way."""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

_MOST_LINKS = 40
"""So many links Linux follows, too."""


class Place(Enum):
    """What lies at a path."""

    FILE = "file"
    LINK = "link"
    FOLDER = "folder"
    REPOSITORY = "repository"
    """A folder with a ``.git`` of its own."""
    OTHER = "other"
    NOTHING = "nothing"
    CLOSED = "closed"
    """Not known: a folder above may not be looked into."""


def repositories_above(folder: Path) -> Iterator[Path]:
    """The tops of the work trees that a folder lies in, from the innermost out."""
    return (top for top in (folder, *folder.parents) if has_repository(top))


def has_repository(folder: Path) -> bool:
    """Whether a folder has a ``.git``, of which an empty one counts for nothing, as in git."""
    place = folder / ".git"
    if not os.path.lexists(place):
        return False
    try:
        with os.scandir(place) as children:
            return next(children, None) is not None
    except OSError:  # a file, as that of a worktree or submodule, or nothing that we may look at
        return True


_FOLDERS = {Place.FOLDER, Place.REPOSITORY}


class WorkTree:
    """The places below a folder, each of whose own folders is looked at once."""

    def __init__(self, top: Path) -> None:
        self._top = os.fspath(top)
        self._folders = {"": Place.FOLDER}

    def place(self, path: str) -> Place:
        """What lies at a path from the top; nothing does behind a link or a file."""
        folder = path.rpartition("/")[0]
        if folder not in self._folders:
            self._folders[folder] = self.place(folder)
        above = self._folders[folder]
        if above in _FOLDERS:
            return _look(f"{self._top}/{path}")
        return Place.CLOSED if above is Place.CLOSED else Place.NOTHING


def _look(path: str) -> Place:
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return Place.NOTHING
    except OSError:
        return Place.CLOSED
    if stat.S_ISDIR(mode):
        return Place.REPOSITORY if has_repository(Path(path)) else Place.FOLDER
    if stat.S_ISLNK(mode):
        return Place.LINK
    return Place.FILE if stat.S_ISREG(mode) else Place.OTHER


def follow(path: Path) -> tuple[list[Path], Path]:
    """Every link on the way, by where it really lies, and where the path really leads.

    Raises:
        OSError: the links lead round in a circle.
    """
    links: list[Path] = []
    absolute = path.absolute()
    here = Path(absolute.anchor)
    ahead = deque(absolute.parts[1:])
    while ahead:
        part = ahead.popleft()
        step = here.parent if part == ".." else here / part
        target = _target(step)
        if target is None:
            here = step
            continue
        if len(links) == _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        links.append(step)
        if target.is_absolute():
            here = Path(target.anchor)
        ahead.extendleft(reversed(target.parts[target.is_absolute() :]))
    return links, here


def _target(step: Path) -> Path | None:
    try:
        return step.readlink()
    except OSError:  # no link, or nothing at all
        return None
