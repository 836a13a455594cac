"""Objects as files below a folder.

A file is written and brought to disk under a name of its own, then linked to the object's name,
which fails if that exists: an object has all its bytes or is not there. No link is followed.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from reconciler.durable_folder import FOLDER_MODE, make_folder
from reconciler.errors import StateError
from reconciler.objects.interface import RemovableObjects, check_name

_UNFINISHED = ".new-"  # how no name of an object begins
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BELOW = _FOLDER | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Disk(RemovableObjects):
    """The objects below a folder, which must exist unless it ``may_be_made``."""

    def __init__(self, folder: Path, *, may_be_made: bool = False) -> None:
        self._folder = folder.absolute()
        self._may_be_made = may_be_made

    @property
    def url(self) -> str:
        """See `Objects`."""
        return self._folder.as_uri()

    def create(self, name: str, data: bytes) -> bool:
        """See `Objects`."""
        *folders, last = check_name(name).split("/")
        with self._opened(folders, make=True) as folder:
            if folder is None:
                raise OSError(errno.ENOENT, "its folder has vanished")
            with suppress(FileExistsError):
                _link(folder, last, data)
            os.fsync(folder)  # another's object must not vanish either, once it was seen
            # On a network file system a link may have been made and yet be said to exist.
            return _read(folder, last) == data

    def read(self, name: str) -> bytes | None:
        """See `Objects`."""
        *folders, last = check_name(name).split("/")
        with self._opened(folders) as folder:
            return None if folder is None else _read(folder, last)

    def remove(self, name: str) -> None:
        """See `RemovableObjects`."""
        *folders, last = check_name(name).split("/")
        with self._opened(folders) as folder:
            if folder is not None:
                with suppress(FileNotFoundError):
                    os.unlink(last, dir_fd=folder)
                os.fsync(folder)

    def folders(self, folder: str) -> Iterator[str]:
        """See `Objects`."""
        with self._opened(check_name(folder).split("/")) as opened:
            if opened is not None:
                with os.scandir(opened) as found:
                    names = [one.name for one in found if one.is_dir(follow_symlinks=False)]
                yield from sorted(names, key=os.fsencode)

    def names(self, folder: str) -> Iterator[str]:
        """See `Objects`."""
        parts = check_name(folder).split("/") if folder else []
        with self._opened(parts) as opened:
            if opened is not None:
                yield from _walk(opened, f"{folder}/" if folder else "")

    @contextmanager
    def _opened(self, folders: list[str], *, make: bool = False) -> Iterator[int | None]:
        """The folder below this one, None if it is not there; says what else goes wrong in it."""
        opened = None
        if self._may_be_made and not make and not self._folder.exists():
            yield None
            return
        try:
            if self._may_be_made and make:
                make_folder(self._folder)
            opened = os.open(self._folder, _FOLDER)
            for part in folders:
                below = _enter(opened, part, make=make)
                if below is None:
                    yield None
                    return
                os.close(opened)
                opened = below
            yield opened
        except OSError as error:
            place = "/".join([str(self._folder), *(folders if opened is not None else ())])
            raise StateError(
                f"{place} cannot be used: {error.strerror}", hint=_hint(error.errno)
            ) from error
        finally:
            if opened is not None:
                os.close(opened)


def _hint(code: int | None) -> str:
    match code:
        case errno.ENOENT:
            return "create the folder, for its owner's eyes only (mode 0700)"
        case errno.ELOOP | errno.ENOTDIR | errno.EPERM | errno.ENOTSUP | errno.EINVAL:
            return "it must be a folder without links, on a file system that has hard links"
        case errno.EISDIR:
            return "a folder has the name of the file: name a file in it, such as plan.json"
    return "see to the folder and its disk"


def _enter(folder: int, part: str, *, make: bool) -> int | None:
    if make:
        with suppress(FileExistsError):
            os.mkdir(part, FOLDER_MODE, dir_fd=folder)
        os.fsync(folder)  # also if another made it, who may not have come so far
    try:
        return os.open(part, _BELOW, dir_fd=folder)
    except FileNotFoundError:
        return None


def _link(folder: int, last: str, data: bytes) -> None:
    mine = f"{_UNFINISHED}{os.getpid()}-{threading.get_ident()}"
    for number in count():  # a process that was killed may have left one
        with suppress(FileExistsError):
            file = os.open(name := f"{mine}-{number}", _WRITE, 0o600, dir_fd=folder)
            break
    try:
        with os.fdopen(file, "wb") as written:
            written.write(data)
            written.flush()
            os.fsync(file)
        os.link(name, last, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    finally:
        os.unlink(name, dir_fd=folder)


def _read(folder: int, last: str) -> bytes | None:
    try:
        opened = os.open(last, _READ, dir_fd=folder)
    except FileNotFoundError:
        return None
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise OSError(errno.EINVAL, f"{last} is not a regular file")
        return file.read()


def _walk(folder: int, above: str) -> Iterator[str]:
    with os.scandir(folder) as found:
        entries = [
            f"{one.name}/" if one.is_dir(follow_symlinks=False) else one.name
            for one in found
            if not one.name.startswith(_UNFINISHED)
        ]
    for entry in sorted(entries, key=os.fsencode):
        if not entry.endswith("/"):
            yield above + entry
            continue
        below = os.open(entry[:-1], _BELOW, dir_fd=folder)
        try:
            yield from _walk(below, above + entry)
        finally:
            os.close(below)
