"""A lock for each store and state folder: two applies at once are one too many.

The lock is the operating system's, so it ends with the process that holds it, however that dies.
Who holds it stands in a file beside it, for messages and the status only.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from reconciler.durable_folder import make_folder
from reconciler.errors import JournalError, LockHeld
from reconciler.json_codec import codec_of
from reconciler.model.address import StoreAddress
from reconciler.model.lock import HeldLock, Holder

LOCKS = "locks"
"""The folder of the locks."""
_LOCK_SUFFIX = ".lock"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")

_PATIENCE = 0.2
"""Seconds: whoever only looks whether a lock is held has it for a moment."""


@dataclass(frozen=True, slots=True)
class DiskLease:
    """The operating system's locks while they are held: nobody can take them over."""

    is_good: bool = True

    def came_after(self, run: str) -> bool:  # noqa: ARG002 - who has the lock is the only one
        """As `Lease`."""
        return True


@contextmanager
def hold_locks(
    folder: Path, stores: Iterable[StoreAddress], *, holder: Holder, since: str
) -> Iterator[DiskLease]:
    """Hold the locks of several stores, taken in sorted order; all of them or none.

    Raises:
        LockHeld: another run holds one of them.
        JournalError: the state folder cannot be written.
    """
    with ExitStack() as held:
        for store in sorted(set(stores)):
            held.enter_context(_hold_lock(folder, store, holder=holder, since=since))
        yield DiskLease()


@contextmanager
def _hold_lock(folder: Path, store: StoreAddress, *, holder: Holder, since: str) -> Iterator[None]:
    """Hold the lock of a store in a state folder; does not wait for another run.

    ``since`` says since when, in the words of the message that another run gets.

    Raises:
        LockHeld: another run holds it.
        JournalError: the state folder cannot be written.
    """
    path = _lock_file(folder, store)
    lock = FileLock(path, timeout=_PATIENCE)
    try:
        make_folder(path.parent)
        lock.acquire()
    except Timeout:
        raise _held(path, store) from None
    except OSError as error:
        raise _cannot_lock(path, error) from error
    try:
        _write_holder(path, HeldLock(str(store), holder, since))
        yield
    finally:
        lock.release()


def is_held(folder: Path, store: StoreAddress) -> bool:
    """Whether a run works on the store now. Where that cannot be found out, none does."""
    return _is_taken(_lock_file(folder, store))


def held_locks(folder: Path) -> tuple[HeldLock, ...]:
    """The locks of a state folder that are held now, by store."""
    taken = (path for path in (folder / LOCKS).glob(f"*{_LOCK_SUFFIX}") if _is_taken(path))
    return tuple(sorted(map(_read_holder, taken), key=lambda lock: lock.store or ""))


def _is_taken(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)  # which lets go of it
    return False


def _lock_file(folder: Path, store: StoreAddress) -> Path:
    """A name that no two stores share, with an end that people can read."""
    digest = hashlib.sha256(str(store).encode()).hexdigest()
    readable = _UNSAFE.sub("-", store.dicom_store_id)[:40]
    return folder / LOCKS / f"{digest[:16]}-{readable}{_LOCK_SUFFIX}"


def _holder_file(lock: Path) -> Path:
    return lock.with_suffix(".holder")


def _write_holder(lock: Path, held: HeldLock) -> None:
    try:
        _holder_file(lock).write_text(json.dumps(codec_of(HeldLock).write(held)) + "\n")
    except OSError as error:
        raise _cannot_lock(lock, error) from error


def _held(lock: Path, store: StoreAddress) -> LockHeld:
    held = _read_holder(lock)
    who = f"{held.holder}, since {held.since}" if held.holder else "it does not say who it is"
    return LockHeld(
        f"another run works on {store}: {who}",
        hint="wait until it has ended; the lock ends with its process",
    )


def _read_holder(lock: Path) -> HeldLock:
    """Who holds the lock, as far as that can be read: the holder may just be writing it."""
    try:
        return codec_of(HeldLock).read(json.loads(_holder_file(lock).read_text()))
    except (OSError, ValueError):
        return HeldLock()


def _cannot_lock(lock: Path, error: OSError) -> JournalError:
    return JournalError(
        f"the lock {lock} cannot be taken: {error.strerror or error}",
        hint="nothing was deleted; repair the state folder, or name another"
        " (--state; in Python: state=)",
    )
