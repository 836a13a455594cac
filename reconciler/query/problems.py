"""What is wrong with a statement, each with its place in the text."""

from __future__ import annotations

from bisect import bisect_right

from reconciler.errors import StatementError
from reconciler.model.problem import Problem, Source
from reconciler.query.statement import Place


class Places:
    """Lines and columns of a text, both from 1; ``path`` is how messages name it."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self._starts = [0] + [at + 1 for at, sign in enumerate(text) if sign == "\n"]

    def at(self, offset: int) -> Place:
        """Where the character with this offset stands."""
        line = bisect_right(self._starts, max(offset, 0))
        return Place(line, offset - self._starts[line - 1] + 1)


class Problems:
    """Collects the problems of one text."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._found: list[Problem] = []

    def add(self, offset: int, rule: str, message: str, hint: str) -> None:
        """Note a problem at an offset of the text."""
        place = self._places.at(offset)
        source = Source(self._places.path, place.line, place.column)
        self._found.append(Problem(source, rule, message, hint))

    def is_any_since(self, offset: int) -> bool:
        """Whether there is a problem at this offset or behind it."""
        place = self._places.at(offset)
        return any(
            (problem.source.line, problem.source.column) >= (place.line, place.column)
            for problem in self._found
        )

    def raise_if_any(self) -> None:
        """Refuse the text.

        Raises:
            StatementError: with every problem, in their order in the text.
        """
        if self._found:
            raise StatementError(sorted(self._found, key=lambda problem: problem.sort_key))
