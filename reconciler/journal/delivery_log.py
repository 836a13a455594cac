"""What of the record was delivered to a receiver, so that it is not sent again.

One file for each receiver, ``delivered/NAME``, with one SHA-256 a line. It holds no message: a
message may name a patient, and it can be made from the journal again.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from reconciler.errors import JournalError, LockHeld
from reconciler.journal.durable import FILE_MODE
from reconciler.journal.folder import delivered_folder, make_folder, sync_folder

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]")
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_LINE = re.compile(rb"[0-9a-f]{64}\n")


class DeliveryLog:
    """What one receiver has; made by `open_delivery_log`."""

    def __init__(self, path: Path, descriptor: int, known: set[bytes]) -> None:
        self._path = path
        self._descriptor = descriptor
        self._known = known

    def has(self, message: bytes) -> bool:
        """Whether it was delivered."""
        return _digest(message) in self._known

    def add(self, messages: Iterable[bytes]) -> None:
        """Note that they were delivered; on disk when this returns.

        Raises:
            JournalError: it cannot be written.
        """
        digests = [_digest(message) for message in messages]
        lines = b"".join(digest.hex().encode("ascii") + b"\n" for digest in digests)
        try:
            while lines:
                lines = lines[os.write(self._descriptor, lines) :]
            os.fsync(self._descriptor)
        except OSError as error:
            raise _unusable(self._path, error) from error
        self._known.update(digests)


@contextmanager
def open_delivery_log(state: Path, receiver: str) -> Iterator[DeliveryLog]:
    """The delivery log of a receiver in a state folder, for nobody else while the block runs.

    A torn last line is cut off: its message counts as not delivered.

    Raises:
        LockHeld: another process sends to this receiver.
        JournalError: it cannot be read or written, or is not a delivery log.
    """
    path = delivered_folder(state) / _UNSAFE.sub("_", receiver)
    lock = FileLock(path.with_name(f"{path.name}.lock"), timeout=0)
    try:
        make_folder(path.parent)
        lock.acquire()
    except Timeout:
        raise LockHeld(f"another process sends to {receiver}") from None
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        descriptor = _open(path)
        try:
            yield DeliveryLog(path, descriptor, _read(path, descriptor))
        finally:
            os.close(descriptor)
    finally:
        lock.release()


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, _FLAGS, FILE_MODE)
        sync_folder(path.parent)
    except OSError as error:
        raise _unusable(path, error) from error
    return descriptor


def _read(path: Path, descriptor: int) -> set[bytes]:
    known = set()
    whole = 0
    try:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break
                if _LINE.fullmatch(line) is None:
                    raise JournalError(
                        f"{path}:{number}: not a line of a delivery log",
                        hint="move the file away, and everything is sent again",
                    )
                known.add(bytes.fromhex(line[:-1].decode("ascii")))
                whole += len(line)
        os.ftruncate(descriptor, whole)
    except OSError as error:
        raise _unusable(path, error) from error
    return known


def _digest(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()


def _unusable(path: Path, error: OSError) -> JournalError:
    return JournalError(f"{path} cannot be used: {error.strerror or error}")
