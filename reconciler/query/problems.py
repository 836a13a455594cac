"""What is wrong with a statement, each with its place in the text."""

from __future__ import annotations

from bisect import bisect_right

from reconciler.errors import StatementError
from reconciler.model.problem import Problem, Source


class Places:
    """Lines and columns of a text, both from 1; ``path`` is how messages name it."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._starts = [0] + [at + 1 for at, sign in enumerate(text) if sign == "\n"]

    def at(self, offset: int) -> Source:
        """Where the character with this offset stands."""
        line = bisect_right(self._starts, max(offset, 0))
        return Source(self._path, line, offset - self._starts[line - 1] + 1)


_CAP = 100
"""How many problems of one text are kept; the rest is counted."""


class Problems:
    """Collects the problems of one text."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._found: list[Problem] = []
        self._omitted = 0
        self._last = -1

    def add(self, offset: int, rule: str, message: str, hint: str) -> None:
        """Note a problem at an offset of the text."""
        self._last = max(self._last, offset)
        if len(self._found) < _CAP:
            self._found.append(Problem(self._places.at(offset), rule, message, hint))
        else:
            self._omitted += 1

    def is_any_since(self, offset: int) -> bool:
        """Whether there is a problem at this offset or behind it."""
        return self._last >= offset

    def raise_if_any(self) -> None:
        """Refuse the text.

        Raises:
            StatementError: with every problem, in their order in the text.
        """
        found = sorted(self._found, key=lambda problem: problem.sort_key)
        if self._omitted:
            message = f"{self._omitted:,} more problems are not shown"
            found.append(Problem(self._places.at(self._last), "not-shown", message))
        if found:
            raise StatementError(found)
