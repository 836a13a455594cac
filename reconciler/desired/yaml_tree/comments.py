"""The comments of a YAML text, each with the key or item that it speaks of."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import yaml

from reconciler.desired.yaml_tree.tree import Place, Steps, Value, YamlMapping, YamlSequence

_LOADER = getattr(yaml, "CLoader", yaml.Loader)


@dataclass(frozen=True, slots=True)
class Comment:
    """``place`` is that of its ``#``; one that stands ``alone`` has its line to itself."""

    place: Place
    text: str
    alone: bool


@dataclass(slots=True)
class Notes:
    """What is said around one key or item.

    ``blank`` says that an empty line stands before it, and before what is said of it.
    """

    before: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    blank: bool = False

    def __iadd__(self, other: Notes) -> Notes:
        """Take over what is said around another one."""
        self.before += other.before
        self.behind += other.behind
        return self


def read_comments(text: str) -> Iterator[Comment]:
    """Every comment of a text that is YAML: what stands in the gaps between its tokens."""
    lines = text.splitlines(keepends=True)
    line = column = 0
    for token in yaml.scan(text, Loader=_LOADER):
        start, end = token.start_mark, token.end_mark
        yield from _in_gap(lines, (line, column), (start.line, start.column))
        line, column = max((line, column), (end.line, end.column))
    yield from _in_gap(lines, (line, column), (len(lines), 0))


def _in_gap(lines: list[str], begin: tuple[int, int], end: tuple[int, int]) -> Iterator[Comment]:
    for number in range(begin[0], min(end[0] + 1, len(lines))):
        first = begin[1] if number == begin[0] else 0
        last = end[1] if number == end[0] else len(lines[number])
        at = lines[number].find("#", first, last)
        if at >= 0:
            alone = not lines[number][:at].strip()
            yield Comment(Place(number + 1, at + 1), lines[number][at:].rstrip(), alone)


class Commentary:
    """Tells what is said around each key and item of a document, by its steps from the root.

    A comment of its own line speaks of what follows, another one of what stands before it. What
    stands before everything is the ``header``, after everything the ``footer``.
    """

    def __init__(self, text: str, document: YamlMapping) -> None:
        self.header: list[str] = []
        self.footer: list[str] = []
        self._notes: dict[Steps, Notes] = {}
        places = sorted(_places(document, ()), key=lambda one: (one[0], len(one[1])))
        starts = [place for place, _ in places]
        for comment in read_comments(text):
            after = bisect_right(starts, comment.place)
            if not comment.alone:
                # The innermost one that begins there: of `- key: value` the key, not the item.
                self._at(places[after - 1][1]).behind.append(comment.text)
            elif after == 0:
                self.header.append(comment.text)
            elif after == len(places):
                self.footer.append(comment.text)
            else:
                self._at(places[after][1]).before.append(comment.text)
        self._mark_blanks(text, places)

    def of(self, steps: Steps) -> Notes:
        """What is said around the key or item at ``steps``."""
        return self._notes.get(steps, Notes())

    def _at(self, steps: Steps) -> Notes:
        return self._notes.setdefault(steps, Notes())

    def _mark_blanks(self, text: str, places: Iterable[tuple[Place, Steps]]) -> None:
        follows_blank = [False]  # whether comments alone stand between a line and an empty one
        for line in text.splitlines():
            bare = line.strip()
            follows_blank.append(follows_blank[-1] if bare.startswith("#") else not bare)
        for place, steps in places:
            if follows_blank[place.line - 1]:
                self._at(steps).blank = True


def _places(value: Value, steps: Steps) -> Iterator[tuple[Place, Steps]]:
    """Where each key and each item begins."""
    if isinstance(value, YamlMapping):
        for number, (key, inner) in enumerate(value.items()):
            marks = value.marks[number * 4 : number * 4 + 2]
            yield Place(*marks), (*steps, key)
            yield from _places(inner, (*steps, key))
    elif isinstance(value, YamlSequence):
        for number, inner in enumerate(value):
            yield value.item_place(number), (*steps, number)
            yield from _places(inner, (*steps, number))
