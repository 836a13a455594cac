"""Opens a file that a record names, and none that lies elsewhere."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Without waiting, since what is no file may never answer."""


def open_inside(folder: Path, name: str) -> BufferedReader:
    """Open a regular file below a folder; ``name`` has / between its parts.

    The folder is absolute and may be reached through links. Below it none is followed.

    Raises:
        OSError: there is no such file, it cannot be opened, or the way to it leads out.
    """
    *parents, last = name.split("/")
    if not folder.is_absolute() or {"", ".", ".."} & {*parents, last}:
        raise OSError(errno.EINVAL, "its path leads out of the archive")
    try:
        return _regular(_descend(folder, parents, last))
    except ValueError as error:  # a NUL, or what no file system can spell
        raise OSError(errno.EINVAL, "its path is none") from error


def _descend(folder: Path, parents: list[str], last: str) -> int:
    opened = os.open(folder, _FOLDER)
    try:
        for parent in parents:
            above = opened
            opened = _open_at(above, parent, _FOLDER | os.O_NOFOLLOW)
            os.close(above)
        return _open_at(opened, last, _FILE)
    finally:
        os.close(opened)


def _open_at(folder: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise OSError(error.errno, "there is a link in its path, or no folder") from error
        raise


def _regular(descriptor: int) -> BufferedReader:
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no regular file")
