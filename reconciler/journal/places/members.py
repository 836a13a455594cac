"""The runs that share the lock of a store: an epoch that names a plan in shards has members.

They are numbered without a gap, and the last number is a *close*: whoever creates it knows all
members that there will ever be. `docs/state.md` specifies them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from secrets import token_hex

from reconciler.errors import BrokenJournal, JournalError
from reconciler.journal.folder import is_run_name
from reconciler.json_codec import codec_of
from reconciler.model.lock import Holder
from reconciler.objects.interface import Objects
from reconciler.objects.numbered import last_number

LONGEST = 600.0
"""Seconds of a lease."""
HINT = "restore the object from a copy; until then nothing can be applied to this store"


@dataclass(frozen=True, slots=True)
class Member:
    """A run or a task that shares the lock, in the object of that number; or its close."""

    number: int
    """Counts the members of the epoch from 1."""
    nonce: str
    """Random, so that whoever created it knows it again."""
    holder: Holder
    """The run or task, and its process; of a close, whoever created it."""
    since: str
    """Since when, for people."""
    lease: int
    """In milliseconds: so long without a beat, and somebody else may take its place."""
    is_close: bool = False
    """Whether this is no member, and nobody can become one after it."""


class Members:
    """Those of one epoch, by the name of its object."""

    def __init__(self, objects: Objects, epoch: str) -> None:
        self._objects = objects
        self._entries = f"{epoch}.members"
        self._left = f"{epoch}.left"
        self._known: dict[int, Member] = {}

    @property
    def is_empty(self) -> bool:
        """Whether it never had one: until then the run that created the epoch holds it alone."""
        return self._read(1) is None

    def join(self, holder: Holder, since: str, lease: int) -> int | None:
        """Become a member; the number, None if it is closed."""
        return self._add(Member(0, token_hex(16), holder, since, lease))

    def close(self, holder: Holder, *, if_all_left: bool = False) -> bool:
        """Let nobody become a member any more; whether that is so now.

        With ``if_all_left``, only if every member has left.
        """
        while True:
            count = last_number(self._read)
            latest = self._read(count) if count else None
            if latest is not None and latest.is_close:
                return True
            if if_all_left and self._have_left() < set(range(1, count + 1)):
                return False
            own = Member(count + 1, token_hex(16), holder, "", 0, is_close=True)
            if self._objects.create(self._name(own.number), _written(own)):
                return True

    def leave(self, number: int) -> None:
        """Say of a member that nothing of it can follow."""
        self._objects.create(f"{self._left}/{number:08}", token_hex(16).encode("ascii"))

    def present(self) -> list[Member]:
        """The members that have not left."""
        left = self._have_left()
        count = last_number(self._read)
        found = (self._at(number) for number in range(1, count + 1) if number not in left)
        return [member for member in found if not member.is_close]

    def numbers_of(self, run: str) -> Iterator[int]:
        """The members that are this run."""
        for number in range(last_number(self._read), 0, -1):
            member = self._at(number)
            if member.holder.run == run and not member.is_close:
                yield number

    def has_left(self, number: int) -> bool:
        """Whether nothing of a member can follow."""
        return self._objects.read(f"{self._left}/{number:08}") is not None

    def _add(self, member: Member) -> int | None:
        while True:
            number = last_number(self._read)
            if number and self._at(number).is_close:
                return None
            entry = Member(number + 1, member.nonce, member.holder, member.since, member.lease)
            if self._objects.create(self._name(entry.number), _written(entry)):
                return entry.number

    def _have_left(self) -> set[int]:
        """By a listing: what it lacks counts as present, which is safe."""
        found = (name.rpartition("/")[2] for name in self._objects.names(self._left))
        return {int(number) for number in found if number.isdigit()}

    def _at(self, number: int) -> Member:
        member = self._read(number)
        if member is None:
            raise JournalError(f"{self._name(number)} has vanished")
        return member

    def _read(self, number: int) -> Member | None:
        if number in self._known:
            return self._known[number]
        place = self._name(number)
        data = self._objects.read(place)
        if data is None:
            return None
        try:
            member = codec_of(Member).read(json.loads(data))
        except (ValueError, RecursionError) as error:
            raise BrokenJournal(place, f"it is no member: {error}", hint=HINT) from error
        is_whole = member.is_close or 0 < member.lease <= LONGEST * 1000
        if member.number != number or not is_run_name(member.holder.run) or not is_whole:
            raise BrokenJournal(place, "it is not the member of this name", hint=HINT)
        self._known[number] = member
        return member

    def _name(self, number: int) -> str:
        return f"{self._entries}/{number:08}"


def _written(member: Member) -> bytes:
    return json.dumps(codec_of(Member).write(member)).encode("ascii") + b"\n"
