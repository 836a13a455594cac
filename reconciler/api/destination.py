"""Where a document goes that an option names: a file to replace, or what is there already.

A regular file is replaced as a whole, where its links lead to. A device, a FIFO, or a descriptor of
the process (/dev/stdout, /dev/fd/N) is written into, as tee does.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from reconciler.errors import ReconcilerError, UsageError

TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.part")
"""What a `write_file` that was killed leaves beside the file that it did not replace."""


def require_writable(*paths: Path | None, read: Iterable[Path | str] = ()) -> None:
    """Find out before a long or irrevocable step whether its results can be written.

    ``read`` are the files that the step reads, by their paths; URLs are ignored.

    Raises:
        UsageError: nothing can be created, replaced or written into at one of the paths, or it is
            one of those that are read.
    """
    sources = {os.path.realpath(one) for one in read if isinstance(one, Path)}
    for path in filter(None, paths):
        try:
            is_writable = _is_writable(path)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
        if not is_writable:
            raise UsageError(f"cannot write {path}", hint="name a file in a folder that exists")
        if os.path.realpath(path) in sources:
            raise UsageError(f"cannot write {path}: it is an input", hint="name another file")


def write_file(path: Path, pieces: Iterable[str], *, private: bool = False) -> None:
    """Write a whole file or leave the old one: a temporary file, fsync, rename.

    Others may read it as far as the process lets them; what is ``private`` only its owner. What is
    no regular file is written into.

    Raises:
        ReconcilerError: it could not be written.
    """
    try:
        if _is_replaced(path):
            _replace(Path(os.path.realpath(path)), pieces, 0o600 if private else 0o666)
        else:
            with open_destination(path) as file:
                file.writelines(pieces)
    except BrokenPipeError as error:
        raise ReconcilerError(f"cannot write {path}: nobody reads it") from error
    except OSError as error:
        raise ReconcilerError(f"cannot write {path}: {error.strerror}") from error


def open_destination(path: Path) -> TextIO:
    """Open what is there already, or a new file, to write into it while something happens.

    Waits until a FIFO has a reader.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = _descriptor(path)
    target = path if descriptor is None else os.dup(descriptor)
    return open(target, "w", encoding="utf-8", newline="\n", opener=_without_terminal)


def _without_terminal(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOCTTY, 0o666)


def _is_writable(path: Path) -> bool:
    if _descriptor(path) is not None:
        return True
    if _is_replaced(path):
        return os.access(os.path.dirname(os.path.realpath(path)), os.W_OK | os.X_OK)  # noqa: PTH120 - of a text
    return not path.is_dir() and os.access(path, os.W_OK)


def _is_replaced(path: Path) -> bool:
    """Whether there is a regular file, or nothing yet."""
    if _descriptor(path) is not None:
        return False
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True


def _descriptor(path: Path) -> int | None:
    """The descriptor of this process that a path names, through links; None if it names none.

    Raises:
        OSError: nothing can be written into it.
    """
    named = path
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(named.parent)
        if folder in {"/dev/fd", f"/proc/{os.getpid()}/fd"} and named.name.isdecimal():
            return _open_for_writing(named.name)
        if not named.is_symlink():
            return None
        named = Path(folder, named.readlink())
    return None


def _open_for_writing(number: str) -> int:
    try:
        descriptor = int(number)
        mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    except OverflowError as error:  # more digits than a descriptor has
        raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from error
    if mode == os.O_RDONLY:
        raise OSError(errno.EBADF, "it is open for reading only")
    return descriptor


_MOST_LINKS = 40
"""As many as the system follows."""


def _replace(path: Path, pieces: Iterable[str], mode: int) -> None:
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
