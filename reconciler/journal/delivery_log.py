"""What of the record was delivered to a receiver, so that it is not sent again.

Each receiver has objects ``delivered/NAME/00000001`` …, each with a SHA-256 a line, after a first
line that is random: of two processes that sent the same, one finds out. They hold no message: a
message may name a patient, and it can be made from the journal again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from secrets import token_bytes

from reconciler.errors import JournalError, LockHeld
from reconciler.objects.interface import Objects

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]")
_LINES = re.compile(rb"([0-9a-f]{64}\n)*")


class DeliveryLog:
    """What one receiver has."""

    def __init__(self, objects: Objects, receiver: str) -> None:
        """Read it.

        Raises:
            JournalError: it cannot be read, or is not a delivery log.
        """
        self._objects = objects
        self._receiver = receiver
        self._known: set[bytes] = set()
        self._number = 1
        while (data := objects.read(self._name)) is not None:
            if _LINES.fullmatch(data) is None:
                raise JournalError(
                    f"{self._name} is no part of a delivery log",
                    hint="move the folder away, and everything is sent again",
                )
            self._known.update(map(bytes.fromhex, data.decode("ascii").split()))
            self._number += 1

    def has(self, message: bytes) -> bool:
        """Whether it was delivered."""
        return _digest(message) in self._known

    def add(self, messages: Iterable[bytes]) -> None:
        """Note that they were delivered; durable when this returns.

        Raises:
            LockHeld: another process sends to this receiver.
            JournalError: it cannot be written.
        """
        digests = [_digest(message) for message in messages]
        lines = [one.hex().encode("ascii") + b"\n" for one in [token_bytes(32), *digests]]
        if not self._objects.create(self._name, b"".join(lines)):
            raise LockHeld(f"another process sends to {self._receiver}")
        self._number += 1
        self._known.update(digests)

    @property
    def _name(self) -> str:
        """That of the object which comes next."""
        name = _UNSAFE.sub("_", self._receiver)
        stem = name.lstrip("_")  # as of [::1]: no part of a name begins so
        return f"delivered/{stem}{'=' * (len(name) - len(stem))}/{self._number:08}"


def _digest(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()
