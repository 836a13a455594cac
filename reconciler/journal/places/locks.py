"""A lock for each store and state folder: two applies at once are one too many.

The lock is the operating system's, so it ends with the process that holds it, however that dies.
Who holds it stands in a file beside it, for messages and the status. The runs of a plan in shards
share the lock of a store, and each has the lock of its shard.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import time
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
_CLAIM_SUFFIX = ".claim"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")

_PATIENCE = 0.2
"""Seconds: whoever only looks whether a lock is held has it for a moment."""
_LOOK = 0.05
"""Seconds: two may look at once."""


@dataclass(frozen=True, slots=True)
class DiskLease:
    """The operating system's locks while they are held: nobody can take them over.

    ``shared_in`` is the state folder where other runs may share them.
    """

    shared_in: Path | None = None
    is_good: bool = True

    def came_after(self, run: str) -> bool:
        """As `Lease`: of those who share the lock, each has a shard."""
        if self.shared_in is None:
            return True
        at_work = (lock.holder for lock in claimed_shards(self.shared_in))
        return all(holder is not None and holder.run != run for holder in at_work)


@contextmanager
def hold_locks(
    folder: Path,
    stores: Iterable[StoreAddress],
    *,
    holder: Holder,
    since: str,
    manifest: str | None = None,
    claim: str | None = None,
) -> Iterator[DiskLease]:
    """Hold the locks of several stores, taken in sorted order; all of them or none.

    ``since`` says since when, in the words of the message that another run gets; ``manifest`` and
    ``claim`` are as in `Wanted`.

    Raises:
        LockHeld: another run holds one of them.
        JournalError: the state folder cannot be written.
    """
    wanted = sorted(set(stores))
    with ExitStack() as held:
        for store in wanted:
            lock = HeldLock(str(store), holder, since, manifest)
            take = _hold_lock if manifest is None else _share_lock
            held.enter_context(take(_lock_file(folder, store), lock))
        if claim is not None:
            lock = HeldLock(", ".join(map(str, wanted)), holder, since)
            held.enter_context(_hold_lock(_claim_file(folder, claim), lock))
        yield DiskLease(None if manifest is None else folder)


@contextmanager
def _hold_lock(path: Path, own: HeldLock) -> Iterator[None]:
    """Hold a lock alone; does not wait for another run.

    Raises:
        LockHeld: another run holds it.
        JournalError: the state folder cannot be written.
    """
    lock = FileLock(path, timeout=_PATIENCE)
    try:
        make_folder(path.parent)
        lock.acquire()
    except Timeout:
        raise _held(path, own.store) from None
    except OSError as error:
        raise _cannot_lock(path, error) from error
    try:
        _write_holder(path, own)
        yield
    finally:
        lock.release()


@contextmanager
def _share_lock(path: Path, own: HeldLock) -> Iterator[None]:
    """Hold a lock together with the other runs of a plan in shards; raises as `_hold_lock`.

    Whoever has it alone writes down which plan it is, and shares it then. Between the two it may
    be somebody else's for a moment, so what stands there is read again; as long as anybody has a
    share, nobody can write it.
    """
    try:
        make_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _cannot_lock(path, error) from error
    try:
        end = time.monotonic() + _PATIENCE
        while not _has_share(descriptor, path, own):
            if time.monotonic() >= end:
                raise _held(path, own.store)
            time.sleep(_PATIENCE / 20)
        yield
    finally:
        os.close(descriptor)  # which lets go of it


def _has_share(descriptor: int, path: Path, own: HeldLock) -> bool:
    """Try once."""
    try:
        if _lock_now(descriptor, fcntl.LOCK_EX):
            _write_holder(path, own)
        if _lock_now(descriptor, fcntl.LOCK_SH):
            if _read_holder(path).manifest == own.manifest:
                return True
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError as error:
        raise _cannot_lock(path, error) from error
    return False


def _lock_now(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(folder: Path, store: StoreAddress) -> bool:
    """Whether a run works on the store now. Where that cannot be found out, none does."""
    return _is_taken(_lock_file(folder, store))


def held_locks(folder: Path) -> tuple[HeldLock, ...]:
    """The locks of a state folder that are held now, by store; those of shards among them."""
    taken = filter(_is_taken, (folder / LOCKS).glob(f"*{_LOCK_SUFFIX}"))
    locks = (*map(_read_holder, taken), *claimed_shards(folder))
    return tuple(sorted(locks, key=lambda lock: (lock.store or "", str(lock.holder))))


def claimed_shards(folder: Path) -> tuple[HeldLock, ...]:
    """The locks of shards that are held now."""
    return tuple(map(_read_holder, filter(_is_taken, (folder / LOCKS).glob(f"*{_CLAIM_SUFFIX}"))))


def _is_taken(lock: Path) -> bool:
    """Whether somebody has the lock, or a share of it, for longer than a look takes."""
    try:
        # A network file system gives no lock to who may only read.
        mode = os.O_RDWR if os.access(lock, os.W_OK) else os.O_RDONLY
        descriptor = os.open(lock, mode | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        end = time.monotonic() + _LOOK
        while not _lock_now(descriptor, fcntl.LOCK_EX):
            if time.monotonic() >= end:
                return True
            time.sleep(_LOOK / 10)
    finally:
        os.close(descriptor)  # which lets go of it
    return False


def _lock_file(folder: Path, store: StoreAddress) -> Path:
    """A name that no two stores share, with an end that people can read."""
    digest = hashlib.sha256(str(store).encode()).hexdigest()
    readable = _UNSAFE.sub("-", store.dicom_store_id)[:40]
    return folder / LOCKS / f"{digest[:16]}-{readable}{_LOCK_SUFFIX}"


def _claim_file(folder: Path, plan_id: str) -> Path:
    """The lock of a shard: the id of a plan may be anything, so a hash of it."""
    digest = hashlib.sha256(plan_id.encode()).hexdigest()
    return folder / LOCKS / f"{digest[:32]}{_CLAIM_SUFFIX}"


def _holder_file(lock: Path) -> Path:
    return lock.with_suffix(".holder")


def _write_holder(lock: Path, held: HeldLock) -> None:
    try:
        _holder_file(lock).write_text(json.dumps(codec_of(HeldLock).write(held)) + "\n")
    except OSError as error:
        raise _cannot_lock(lock, error) from error


def _held(lock: Path, store: str | None) -> LockHeld:
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
