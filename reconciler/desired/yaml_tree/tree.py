"""A YAML document as plain values that know where they stand.

Scalars are raw text; only whole numbers and flags under keys that ask for one are ``int`` and
``bool``, and plain null forms are ``None``. Mappings and sequences are ``dict`` and ``list``, so
that ``jsonschema`` reads them as they are.
"""

from __future__ import annotations

from array import array
from itertools import islice
from typing import NamedTuple, TypeAlias


class Place(NamedTuple):
    """A position in a file; both count from 1, in characters."""

    line: int
    column: int


class YamlMapping(dict[str, "Value"]):
    """A mapping; ``marks`` holds the line and column of each key and its value, in order."""

    __slots__ = ("_order", "column", "line", "marks")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        self.marks = array("I")
        self._order: dict[str, int] | None = None

    @property
    def place(self) -> Place:
        """Where it starts."""
        return Place(self.line, self.column)

    def key_place(self, key: str) -> Place:
        """Where the key stands."""
        at = self._number(key) * 4
        return Place(self.marks[at], self.marks[at + 1])

    def value_place(self, key: str) -> Place:
        """Where the value of the key starts."""
        at = self._number(key) * 4 + 2
        return Place(self.marks[at], self.marks[at + 1])

    def _number(self, key: str) -> int:
        """Which key it is, from 0; of a mapping that only grows, and of most nobody asks it."""
        if self._order is None:
            self._order = {}
        fresh = islice(reversed(self), len(self) - len(self._order))
        self._order.update(zip(fresh, range(len(self) - 1, -1, -1), strict=False))
        return self._order[key]


class YamlSequence(list["Value"]):
    """A sequence; ``marks`` holds the line and column of each item, in order."""

    __slots__ = ("column", "line", "marks")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        self.marks = array("I")

    @property
    def place(self) -> Place:
        """Where it starts."""
        return Place(self.line, self.column)

    def item_place(self, index: int) -> Place:
        """Where the item starts."""
        return Place(self.marks[index * 2], self.marks[index * 2 + 1])


Value: TypeAlias = str | int | YamlMapping | YamlSequence | None


Steps: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the root of a document to a value."""


def walk(root: Value, steps: Steps) -> tuple[Value, Place]:
    """The value at ``steps``, and where it starts.

    Raises:
        KeyError, IndexError: nothing stands there.
    """
    node = root
    place = root.place if isinstance(root, YamlMapping | YamlSequence) else Place(1, 1)
    for step in steps:
        if isinstance(node, YamlMapping):
            key = str(step)
            place, node = node.value_place(key), node[key]
        elif isinstance(node, YamlSequence):
            index = int(step)
            place, node = node.item_place(index), node[index]
    return node, place
