"""Locks in a bucket: numbered epochs of a store, of which each names the run that holds it.

`docs/state.md` specifies them. Nothing here is overwritten or removed. Who holds a store creates
*beats* all the time; who wants it takes it over once no beat has come for a whole lease, as watched
on its own clock, and *fences* the run before: it creates that run's next beat and its next segment,
so that the run can neither prolong its lease nor make an intent durable any more. The runs of a
plan in shards share the epoch of a store as its members, and each holds its shard by a claim, which
is an epoch of the shard.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from secrets import token_hex
from typing import TypeGuard

from reconciler.errors import JournalError, LockHeld
from reconciler.journal.places.epoch import (
    STORES,
    Claim,
    Epoch,
    EpochEnd,
    Held,
    beat_name,
    end_of,
    folder_in,
    folder_of,
    name_of,
    numbered,
    read,
    written,
)
from reconciler.journal.places.heart import BEATS, Heart, boottime
from reconciler.journal.places.members import Members
from reconciler.journal.state import Wanted
from reconciler.model.address import StoreAddress
from reconciler.model.lock import HeldLock, Holder
from reconciler.objects.check import require_create_once
from reconciler.objects.interface import Objects
from reconciler.objects.numbered import last_number

_INTERRUPTED = "interrupted while it waited for the run before to end"


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was taken, and from whom: the runs that were fenced.

    They may go on sending for so many ``seconds``.
    """

    epoch: Held
    seconds: float = 0.0
    fenced: tuple[str, ...] = ()


class Epochs:
    """The locks of a place.

    ``fence`` ends a run for somebody else, and says whether it may have something in flight. No
    request that a run sends takes longer than ``request_timeout``, in seconds.
    """

    def __init__(
        self, objects: Objects, fence: Callable[[str, Holder], bool], *, request_timeout: float
    ) -> None:
        self._objects = objects
        self._fence = fence
        self._request_timeout = request_timeout
        self._own: set[str] = set()
        """The runs that hold something through this."""
        self._shared: dict[str, Members] = {}

    @contextmanager
    def hold(self, wanted: Wanted) -> Iterator[Heart]:
        """Hold the locks of several stores, all of them or none; see `State.hold`."""
        run = wanted.holder.run
        require_create_once(self._objects, token_hex(16))
        heart = Heart(self._objects, run, wanted.lease, wanted.on_lost)
        with ExitStack() as held:
            held.callback(heart.stop)
            self._own.add(run)
            held.callback(self._own.remove, run)
            taken = [self._take_store(store, wanted, held) for store in sorted(wanted.stores)]
            claims = [self._take_shard(wanted.claim, wanted, held)] if wanted.claim else []
            everything = (*taken, *claims)
            self._wait_for_those_before(everything, wanted)
            for one in everything:
                if one.seconds:
                    self._keep(one.epoch, wanted, held)
            epochs = [one.epoch for one in taken]
            for claim in claims:
                self._let_leave(epochs, claim.fenced)
            heart.came_after = partial(self._came_after, epochs)
            yield heart

    def held(self) -> list[HeldLock]:
        """The locks that are held by a run which is alive."""
        folders = filter(None, map(folder_in, self._objects.names(STORES)))
        latest = map(self._latest, sorted(set(folders)))
        return self._alive([one for one in latest if one is not None and self._is_open(one)])

    def is_held(self, store: StoreAddress) -> bool:
        """Whether a run that is alive holds the store."""
        epoch = self._latest(folder_of(store))
        return epoch is not None and self._is_open(epoch) and bool(self._alive([epoch]))

    def holder_of(self, store: StoreAddress) -> HeldLock | None:
        """Who holds the store, alive or not."""
        epoch = self._latest(folder_of(store))
        if epoch is None or not self._is_open(epoch):
            return None
        return HeldLock(str(store), epoch.holder, epoch.since)

    def unlock(self, store: StoreAddress, holder: Holder, since: str) -> HeldLock | None:
        """Take a store from whoever holds it, alive or not, and let go of it; who that was.

        It waits until what that run had in flight has landed or failed.
        """
        epoch = self._latest(folder_of(store))
        if epoch is None or not self._is_open(epoch):
            return None
        own = Epoch(epoch.number + 1, store, token_hex(16), holder, since, epoch.lease)
        if not self._create(own):
            raise self._lost(own.folder, epoch)
        seconds, _ = self._fence_before(own)
        if seconds:
            time.sleep(seconds + self._request_timeout)
        self._end(own)
        return HeldLock(str(store), epoch.holder, epoch.since)

    def _take_store(self, store: StoreAddress, wanted: Wanted, held: ExitStack) -> _Taken:
        """Take one store, or join those who share it."""
        own = Epoch(
            0, store, "", wanted.holder, wanted.since, _milliseconds(wanted), wanted.manifest
        )
        while True:
            epoch = self._latest(own.folder)
            if self._is_shared(epoch, own) and self._join(epoch, wanted, held):
                return _Taken(epoch)
            if (taken := self._take(own, epoch, wanted, held)) is not None:
                return taken
            if own.manifest is None:
                raise self._lost(own.folder, epoch)

    def _take_shard(self, plan_id: str, wanted: Wanted, held: ExitStack) -> _Taken:
        """Take a shard, which nobody shares."""
        own = Claim(0, plan_id, "", wanted.holder, wanted.since, _milliseconds(wanted))
        before = self._latest(own.folder)
        taken = self._take(own, before, wanted, held)
        if taken is None:
            raise self._lost(own.folder, before)
        return taken

    def _is_shared(self, epoch: Held | None, own: Epoch) -> TypeGuard[Held]:
        """Whether runs of the same plan in shards hold the store."""
        if own.manifest is None or epoch is None:
            return False
        return epoch.manifest == own.manifest and self._is_open(epoch)

    def _join(self, epoch: Held, wanted: Wanted, held: ExitStack) -> bool:
        """Join those who share a store; False if they take nobody any more.

        The first member is the run that created the epoch, once nothing of the run before can
        follow. Until then it holds the store alone.
        """
        members = self._members(epoch)
        while members.is_empty:
            if not self._alive([epoch]):
                return False
            wanted.on_wait(f"waiting until {epoch.holder} has taken over {epoch.title}")
            if wanted.stop.wait(wanted.lease / BEATS):
                raise LockHeld(_INTERRUPTED)
        return self._become_member(epoch, wanted, held)

    def _become_member(self, epoch: Held, wanted: Wanted, held: ExitStack) -> bool:
        number = self._members(epoch).join(wanted.holder, wanted.since, _milliseconds(wanted))
        if number is None:
            return False
        held.callback(self._leave, epoch, number, is_task=wanted.claim is None)
        return True

    def _take(
        self, own: Held, before: Held | None, wanted: Wanted, held: ExitStack
    ) -> _Taken | None:
        """Create what comes after ``before``; None if somebody else did.

        The run before may go on sending for a while. It is not ended before all of that has landed:
        an epoch that has an end says that nothing of those before it can follow.
        """
        if before is not None and self._is_open(before):
            wanted.on_wait(
                f"the lock of {before.title} is held by {before.holder}, since {before.since};"
                f" waiting {before.lease / 1000:g} s for a sign of life"
            )
            if alive := self._alive([before]):
                raise _held(alive[0])
        own = replace(own, number=before.number + 1 if before else 1, nonce=token_hex(16))
        if not self._create(own):
            return None
        seconds, fenced = self._fence_before(own)
        if not seconds:
            self._keep(own, wanted, held)
        return _Taken(own, seconds, fenced)

    def _keep(self, own: Held, wanted: Wanted, held: ExitStack) -> None:
        """See to it that what was taken ends; nothing of those before can follow by now."""
        if own.manifest is None:
            held.callback(self._end, own)
        elif not self._become_member(own, wanted, held):
            raise LockHeld(f"another run has taken {own.title} over")

    def _wait_for_those_before(self, taken: Iterable[_Taken], wanted: Wanted) -> None:
        longest = max((one.seconds for one in taken), default=0.0)
        if longest:
            seconds = longest + self._request_timeout
            wanted.on_wait(f"waiting {seconds:g} s until what that run had in flight has landed")
            if wanted.stop.wait(seconds):
                raise LockHeld(_INTERRUPTED)

    def _let_leave(self, epochs: Iterable[Held], runs: Iterable[str]) -> None:
        """Say of fenced runs, of which all has landed, that they share the stores no more."""
        for epoch in epochs:
            members = self._members(epoch)
            for run in runs:
                for number in members.numbers_of(run):
                    members.leave(number)

    def _create(self, own: Held) -> bool:
        return self._objects.create(name_of(own), written(own))

    def _lost(self, folder: str, before: Held | None) -> JournalError | LockHeld:
        """What to say where somebody else was first."""
        other = self._read(folder, before.number + 1 if before else 1)
        if other is None:
            return JournalError("an epoch has vanished")
        return _held(HeldLock(other.title, other.holder, other.since))

    def _fence_before(self, own: Held) -> tuple[float, tuple[str, ...]]:
        """Fence the runs of all epochs before that have no end, and name them.

        Gives how long one of them may go on sending, in seconds: its lease, if it had begun.

        The epochs are several where one that took the store over died before it had fenced.
        """
        seconds, fenced = 0.0, []
        for number in range(own.number - 1, 0, -1):
            before = self._read(own.folder, number)
            if before is None or not self._is_open(before):
                break
            if before.manifest is not None:
                self._members(before).close(own.holder)
            for holder, _, lease in self._holders(before):
                fenced.append(holder.run)
                if self._fence(holder.run, own.holder):
                    seconds = max(seconds, lease / 1000)
        return seconds, tuple(fenced)

    def _came_after(self, own: Sequence[Held], run: str) -> bool:
        """Whether a run has one of the epochs before, or is a member that has left.

        One that has a later one may be at work: it has taken over, and the caller does not know it.
        """
        for epoch in own:
            if epoch.manifest is not None:
                members = self._members(epoch)
                if any(map(members.has_left, members.numbers_of(run))):
                    return True
            for number in range(epoch.number - 1, 0, -1):
                before = self._read(epoch.folder, number)
                if before is not None and self._is_of(before, run):
                    return True
        return False

    def _is_of(self, epoch: Held, run: str) -> bool:
        is_shared = epoch.manifest is not None
        return epoch.holder.run == run or (is_shared and any(self._members(epoch).numbers_of(run)))

    def _leave(self, epoch: Held, number: int, *, is_task: bool) -> None:
        """Share a store no more; the last task ends the epoch."""
        with suppress(JournalError):  # then it ends when its lease runs out
            members = self._members(epoch)
            members.leave(number)
            if is_task and members.close(epoch.holder, if_all_left=True):
                self._end(epoch)

    def _end(self, epoch: Held) -> None:
        with suppress(JournalError):  # then it ends when its lease runs out
            self._objects.create(end_of(epoch), written(EpochEnd(epoch.holder, token_hex(16))))

    def _members(self, epoch: Held) -> Members:
        name = name_of(epoch)
        return self._shared.setdefault(name, Members(self._objects, name))

    def _latest(self, folder: str) -> Held | None:
        number = last_number(lambda number: self._objects.read(numbered(folder, number)))
        return self._read(folder, number) if number else None

    def _read(self, folder: str, number: int) -> Held | None:
        data = self._objects.read(numbered(folder, number))
        return None if data is None else read(folder, number, data)

    def _is_open(self, epoch: Held) -> bool:
        return self._objects.read(end_of(epoch)) is None

    def _holders(self, epoch: Held) -> list[tuple[Holder, str, int]]:
        """Who holds it now, since when, and by what lease: who created it, or its members."""
        if epoch.manifest is not None and not (members := self._members(epoch)).is_empty:
            return [(one.holder, one.since, one.lease) for one in members.present()]
        return [(epoch.holder, epoch.since, epoch.lease)]

    def _alive(self, epochs: Iterable[Held]) -> list[HeldLock]:
        """Who of those that hold them gives a sign of life within its lease, on this clock.

        All are watched together.
        """
        alive = []
        watched: list[tuple[Held, HeldLock, str, float]] = []
        pause = inf
        for epoch in epochs:
            for holder, since, lease in self._holders(epoch):
                lock = HeldLock(epoch.title, holder, since, epoch.manifest)
                if holder.run in self._own:
                    alive.append(lock)
                    continue
                beat = last_number(partial(self._beat, holder.run))
                following = beat_name(holder.run, beat + 1)
                watched.append((epoch, lock, following, boottime() + lease / 1000))
                pause = min(pause, lease / 1000 / BEATS / 4)
        while watched:
            time.sleep(pause)
            for one in list(watched):
                epoch, lock, following, deadline = one
                is_alive = self._objects.read(following) is not None
                if is_alive:
                    alive.append(lock)
                if is_alive or boottime() >= deadline or not self._is_open(epoch):
                    watched.remove(one)
        return alive

    def _beat(self, run: str, number: int) -> bytes | None:
        return self._objects.read(beat_name(run, number))


def _milliseconds(wanted: Wanted) -> int:
    return round(wanted.lease * 1000)


def _held(lock: HeldLock) -> LockHeld:
    return LockHeld(
        f"another run works on {lock.store}: {lock.holder}, since {lock.since}",
        hint="wait until it has ended; if its machine is gone, the lock ends with its lease",
    )
