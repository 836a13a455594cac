"""What a field says of how it is written, where that is not as every other; see `json_codec`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def as_json(
    *,
    key: str | None = None,
    stands_always: bool = False,
    is_shared: bool = False,
    is_left: bool = False,
    check: Callable[[Any], object] | None = None,
) -> Mapping[str, object]:
    """The metadata of a field that is not written as every other is.

    ``stands_always`` is for one that has a default and must stand in a compact object all the same.
    ``is_shared`` makes one object of the equal ones that are read: many instances have one reason.
    ``is_left`` leaves the value as it is, both ways: whoever calls the codec writes and reads it.
    ``check`` gives what to hold of a value that was read, and raises ValueError for what cannot
    stand there; it is not asked about null.
    """
    return {
        "key": key,
        "stands_always": stands_always,
        "is_shared": is_shared,
        "is_left": is_left,
        "check": check,
    }
