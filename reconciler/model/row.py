"""A row of an answer, before it is text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of an instance, ``size`` of them; ``pieces`` can be read until the next row."""

    size: int
    pieces: Iterable[bytes]


Value = str | int | tuple[()] | Blob | None
"""``()`` is the array without elements."""

Row = Mapping[str, Value]
"""The values by the names of their columns, in their order."""
