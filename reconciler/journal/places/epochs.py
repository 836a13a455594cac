"""Locks in a bucket: numbered epochs of a store, of which each names the run that holds it.

`docs/state.md` specifies them. Nothing here is overwritten or removed. Who holds a store creates
*beats* all the time; who wants it takes it over once no beat has come for a whole lease, as watched
on its own clock, and *fences* the run before: it creates that run's next beat and its next segment,
so that the run can neither prolong its lease nor make an intent durable any more.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from secrets import token_hex
from threading import Event, Thread

from reconciler.errors import BrokenJournal, JournalError, LockHeld
from reconciler.journal.folder import is_run_name
from reconciler.journal.state import Wanted
from reconciler.json_codec import codec_of
from reconciler.model.address import StoreAddress
from reconciler.model.lock import HeldLock, Holder
from reconciler.objects.check import require_create_once
from reconciler.objects.interface import Objects
from reconciler.objects.numbered import last_number

BEATS = 3
"""In a lease."""
_MARGIN = 0.25
"""Of a lease: a holder sends nothing for so long before it could be taken over."""
_LOOKS = 20
"""In a lease, at whether it is good."""
LONGEST = 600.0
"""Seconds of a lease."""
_HINT = "restore the object from a copy; until then nothing can be applied to this store"
STORES = "stores"
"""The folder of all epochs."""
_HASH = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Epoch:
    """Who holds a store, in the object of that number."""

    number: int
    """Counts the epochs of the store from 1."""
    store: StoreAddress
    """The store."""
    nonce: str
    """Random, so that whoever created it knows it again."""
    holder: Holder
    """The run, and the process that works on it."""
    since: str
    """Since when, for people."""
    lease: int
    """In milliseconds: so long without a beat, and somebody else may take the store over."""


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """The end of an epoch, in the object beside it."""

    holder: Holder
    """Who ended it: the holder, or whoever unlocked the store."""
    nonce: str
    """Random."""


class Heart:
    """Creates the beats of a run until it is stopped; the lease of all its stores.

    ``on_lost`` is called once when the lease is good no more.
    """

    def __init__(
        self, objects: Objects, run: str, lease: float, on_lost: Callable[[], None]
    ) -> None:
        self._objects = objects
        self._run = run
        self._lease = lease
        self._on_lost = on_lost
        self.came_after: Callable[[str], bool] = lambda _: False
        """As `Lease`; set once the stores are held."""
        self._good_at = boottime()
        self._is_lost = False
        self._stopped = Event()
        self._threads = [
            Thread(target=loop, name=f"lease {run}", daemon=True)
            for loop in (self._beat, self._watch)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_good(self) -> bool:
        """Whether a request may leave now: nobody can have taken the stores over."""
        since = boottime() - self._good_at
        return not self._is_lost and since < self._lease * (1 - _MARGIN)

    def stop(self) -> None:
        """Create no more beats."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _beat(self) -> None:
        number, beat = 1, new_beat()
        while not self._is_lost and not self._stopped.wait(self._lease / BEATS):
            began = boottime()
            with suppress(JournalError):  # the same one is tried again
                if self._objects.create(beat_name(self._run, number), beat):
                    self._good_at = began
                    number, beat = number + 1, new_beat()
                else:
                    self._is_lost = True

    def _watch(self) -> None:
        while not self._stopped.wait(self._lease / _LOOKS):
            if not self.is_good:
                self._on_lost()
                return


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
            taken = [self._take(store, wanted, held) for store in sorted(wanted.stores)]
            longest = max((seconds for _, seconds in taken), default=0.0)
            if longest:
                seconds = longest + self._request_timeout
                wanted.on_wait(
                    f"waiting {seconds:g} s until what that run had in flight has landed"
                )
                if wanted.stop.wait(seconds):
                    raise LockHeld("interrupted while it waited for the run before to end")
            for epoch, seconds in taken:
                if seconds:
                    held.callback(self._end, epoch)
            heart.came_after = partial(self._came_after, [epoch for epoch, _ in taken])
            yield heart

    def held(self) -> list[HeldLock]:
        """The locks that are held by a run which is alive."""
        found = {name.split("/")[1] for name in self._objects.names(STORES)}
        latest = map(self._latest, sorted(filter(_HASH.fullmatch, found)))
        alive = self._alive([one for one in latest if one is not None and self._is_open(one)])
        return [HeldLock(str(epoch.store), epoch.holder, epoch.since) for epoch in alive]

    def is_held(self, store: StoreAddress) -> bool:
        """Whether a run that is alive holds the store."""
        epoch = self._latest(hash_of(store))
        return epoch is not None and self._is_open(epoch) and bool(self._alive([epoch]))

    def holder_of(self, store: StoreAddress) -> HeldLock | None:
        """Who holds the store, alive or not."""
        epoch = self._latest(hash_of(store))
        if epoch is None or not self._is_open(epoch):
            return None
        return HeldLock(str(store), epoch.holder, epoch.since)

    def unlock(self, store: StoreAddress, holder: Holder, since: str) -> HeldLock | None:
        """Take a store from whoever holds it, alive or not, and let go of it; who that was.

        It waits until what that run had in flight has landed or failed.
        """
        epoch = self._latest(hash_of(store))
        if epoch is None or not self._is_open(epoch):
            return None
        nonce = token_hex(16)
        own = self._create(Epoch(epoch.number + 1, store, nonce, holder, since, epoch.lease))
        if seconds := self._fence_before(own):
            time.sleep(seconds + self._request_timeout)
        self._end(own)
        return HeldLock(str(store), epoch.holder, epoch.since)

    def _take(self, store: StoreAddress, wanted: Wanted, held: ExitStack) -> tuple[Epoch, float]:
        """Take one store; its epoch, and how long a run before may go on sending there, in seconds.

        That one is not ended before all of it has landed: an epoch that has an end says that
        nothing of those before it can follow.
        """
        epoch = self._latest(hash_of(store))
        if epoch is not None and self._is_open(epoch):
            wanted.on_wait(
                f"the lock of {store} is held by {epoch.holder}, since {epoch.since};"
                f" waiting {epoch.lease / 1000:g} s for a sign of life"
            )
            if self._alive([epoch]):
                raise _held(epoch)
        number, lease = epoch.number + 1 if epoch else 1, round(wanted.lease * 1000)
        own = self._create(Epoch(number, store, token_hex(16), wanted.holder, wanted.since, lease))
        seconds = self._fence_before(own)
        if not seconds:
            held.callback(self._end, own)
        return own, seconds

    def _create(self, epoch: Epoch) -> Epoch:
        name = hash_of(epoch.store)
        if not self._objects.create(_epoch_name(name, epoch.number), _written(epoch)):
            other = self._read(name, epoch.number)
            raise _held(other) if other else JournalError("an epoch has vanished")
        return epoch

    def _fence_before(self, own: Epoch) -> float:
        """Fence the runs of all epochs before that have no end.

        Gives how long one of them may go on sending, in seconds: its lease, if it had begun.

        They are several where one that took the store over died before it had fenced.
        """
        seconds = 0.0
        for number in range(own.number - 1, 0, -1):
            before = self._read(hash_of(own.store), number)
            if before is None or not self._is_open(before):
                break
            if self._fence(before.holder.run, own.holder):
                seconds = max(seconds, before.lease / 1000)
        return seconds

    def _came_after(self, own: Iterable[Epoch], run: str) -> bool:
        """Whether a run has one of the epochs before.

        One that has a later one may be at work: it has taken over, and the caller does not know it.
        """
        for epoch in own:
            for number in range(epoch.number - 1, 0, -1):
                before = self._read(hash_of(epoch.store), number)
                if before is not None and before.holder.run == run:
                    return True
        return False

    def _end(self, epoch: Epoch) -> None:
        with suppress(JournalError):  # then it ends when its lease runs out
            self._objects.create(_end_name(epoch), _written(EpochEnd(epoch.holder, token_hex(16))))

    def _latest(self, name: str) -> Epoch | None:
        number = last_number(lambda number: self._objects.read(_epoch_name(name, number)))
        return self._read(name, number) if number else None

    def _read(self, name: str, number: int) -> Epoch | None:
        place = _epoch_name(name, number)
        data = self._objects.read(place)
        if data is None:
            return None
        try:
            epoch = codec_of(Epoch).read(json.loads(data))
        except (ValueError, RecursionError) as error:
            raise BrokenJournal(place, f"it is no epoch: {error}", hint=_HINT) from error
        is_own = (epoch.number, hash_of(epoch.store)) == (number, name)
        if not is_own or not is_run_name(epoch.holder.run) or not 0 < epoch.lease <= LONGEST * 1000:
            raise BrokenJournal(place, "it is not the epoch of this name", hint=_HINT)
        return epoch

    def _is_open(self, epoch: Epoch) -> bool:
        return self._objects.read(_end_name(epoch)) is None

    def _alive(self, epochs: Iterable[Epoch]) -> list[Epoch]:
        """Those of which the holder gives a sign of life within its lease, on this clock.

        All are watched together.
        """
        alive = []
        watched: list[tuple[Epoch, str, float]] = []
        for epoch in epochs:
            run = epoch.holder.run
            if run in self._own:
                alive.append(epoch)
                continue
            beat = last_number(partial(self._beat, run))
            watched.append((epoch, beat_name(run, beat + 1), boottime() + epoch.lease / 1000))
        while watched:
            time.sleep(min(epoch.lease for epoch, _, _ in watched) / 1000 / BEATS / 4)
            for one in list(watched):
                epoch, following, deadline = one
                is_alive = self._objects.read(following) is not None
                if is_alive:
                    alive.append(epoch)
                if is_alive or boottime() >= deadline or not self._is_open(epoch):
                    watched.remove(one)
        return alive

    def _beat(self, run: str, number: int) -> bytes | None:
        return self._objects.read(beat_name(run, number))


def boottime() -> float:
    """Seconds on a clock that goes on while the machine is suspended, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def hash_of(store: StoreAddress) -> str:
    """The folder of a store below ``stores/``."""
    return hashlib.sha256(str(store).encode()).hexdigest()[:32]


def beat_name(run: str, number: int) -> str:
    """The name of a beat; they count from 1."""
    return f"beats/{run}/{number:08}"


def new_beat() -> bytes:
    """What a beat holds: something that no other one does."""
    return token_hex(16).encode("ascii")


def segment_name(folder: str, run: str, number: int) -> str:
    """The name of a segment; they count from 0."""
    return f"{folder}/{run}/{number:08}"


def _epoch_name(store: str, number: int) -> str:
    return f"{STORES}/{store}/epochs/{number:08}"


def _end_name(epoch: Epoch) -> str:
    return f"{_epoch_name(hash_of(epoch.store), epoch.number)}.end"


def _written(value: Epoch | EpochEnd) -> bytes:
    return json.dumps(codec_of(type(value)).write(value)).encode("ascii") + b"\n"


def _held(epoch: Epoch) -> LockHeld:
    return LockHeld(
        f"another run works on {epoch.store}: {epoch.holder}, since {epoch.since}",
        hint="wait until it has ended; if its machine is gone, the lock ends with its lease",
    )
