"""The one primitive: create a name, unless it exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

_PART = r"[A-Za-z0-9][A-Za-z0-9._=-]*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")


class Objects(Protocol):
    """Named objects, each created once, never changed and never removed.

    A name is parts joined by ``/``, each of ASCII letters, digits and ``._=-``, the first a letter
    or a digit; another name is a ValueError. What the store does not do is a StateError.
    """

    @property
    def url(self) -> str:
        """Where they are, for messages; there are no credentials in it."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Create an object, durable when this returns True; False if another one has the name.

        An object is one's own if it has the same bytes, so ``data`` must hold a nonce. After a
        StateError the object may exist, or may yet appear: the last answer may have been lost.
        """
        ...

    def read(self, name: str) -> bytes | None:
        """The bytes of an object; None if there is none."""
        ...

    def folders(self, folder: str) -> Iterator[str]:
        """The names of the folders directly below a folder, in the order of their bytes.

        What is below them is not listed. As for `names`, this serves to find.
        """
        ...

    def names(self, folder: str) -> Iterator[str]:
        """The whole names below a folder (``""``: all), in the order of their bytes.

        They arrive while they are listed. A listing serves to find objects, never to decide that
        there is none. It also shows what somebody else put there.
        """
        ...


class RemovableObjects(Objects, Protocol):
    """Objects that may be removed, as a plan is once there is a newer one; the state never is."""

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        ...


def is_name(text: str) -> bool:
    """Whether an object may have this name; a listing may show others."""
    return _NAME.fullmatch(text) is not None


def check_name(name: str) -> str:
    """The name, if it may be one.

    Raises:
        ValueError: it may not.
    """
    if not is_name(name):
        raise ValueError(f"not the name of an object: {name!r}")
    return name
