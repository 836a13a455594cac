"""Builds the tree of a document from the parser's events."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.desired.problems import MOST, Problems
from reconciler.desired.rules import Rule
from reconciler.desired.wording import quoted
from reconciler.desired.yaml_tree.tree import Place, Value, YamlMapping, YamlSequence
from reconciler.model.problem import Source

MAX_DEPTH = 16
"""How deep collections may lie in one another; a desired-state file needs four."""

_FLAGS = {"true": True, "false": False}
_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_NOT_REPEATED = "write the value out where it is meant"

Event: TypeAlias = Any
"""An event of PyYAML; they share no useful static type."""

Taker: TypeAlias = Callable[[Value], bool]
"""Takes an item of a list out of the tree while it is built, or leaves it there."""


class Stopped(Exception):  # noqa: N818 - a way out of the recursion; the problem is reported
    """Collections lie too deep in one another to go on, or too much was refused."""


class TreeBuilder:
    """Builds the tree of one file by recursive descent; its depth is bounded by MAX_DEPTH."""

    def __init__(
        self,
        next_event: Callable[[], Event],
        path: str,
        scalar_types: Mapping[str, str],
        problems: Problems,
        takers: Mapping[str, Taker],
    ) -> None:
        self._next = next_event
        self._path = path
        self._scalar_types = scalar_types
        self._problems = problems
        self._takers = takers
        self._texts: dict[str, str] = {}
        self._refused = 0

    def document(self) -> Value:
        """The one document; what is refused in it is reported.

        Raises:
            Stopped: collections lie too deep in one another, or too much was refused.
            yaml.YAMLError: it is not YAML.
        """
        self._next()
        if not isinstance(self._next(), DocumentStartEvent):
            self._report_empty()
            return None
        root = self._value(self._next(), 1)
        if root is None:
            self._report_empty()
        self._next()
        after = self._next()
        if isinstance(after, DocumentStartEvent):
            hint = "put it into a file of its own"
            self._report(Rule.SEVERAL_DOCUMENTS, after, "a second YAML document starts here", hint)
        return root

    def _value(self, event: Event, depth: int) -> Value:
        if event.__class__ is ScalarEvent:
            return self._item(event)
        if isinstance(event, AliasEvent):
            message = f"the alias {quoted(str(event.anchor))} is refused"
            self._report(Rule.ALIAS, event, message, _NOT_REPEATED)
            return None
        self._refuse_properties(event)
        if depth > MAX_DEPTH:
            message = f"collections lie more than {MAX_DEPTH} deep in one another"
            self._report(Rule.NESTED_TOO_DEEP, event, message, "the format needs four levels")
            raise Stopped
        if isinstance(event, MappingStartEvent):
            return self._mapping(event, depth)
        assert isinstance(event, SequenceStartEvent)  # noqa: S101 - no other event starts a value
        return self._sequence(event, depth)

    def _sequence(self, start: Event, depth: int) -> YamlSequence:
        mark = start.start_mark
        items = YamlSequence(mark.line + 1, mark.column + 1)
        next_event, append, mark_down = self._next, items.append, items.marks.append
        while (event := next_event()).__class__ is not SequenceEndEvent:
            mark = event.start_mark
            mark_down(mark.line + 1)
            mark_down(mark.column + 1)
            is_scalar = event.__class__ is ScalarEvent
            append(self._item(event) if is_scalar else self._value(event, depth + 1))
        return items

    def _taken_sequence(self, start: Event, depth: int, take: Taker) -> YamlSequence:
        """As `_sequence`, but what is taken is not kept."""
        mark = start.start_mark
        items = YamlSequence(mark.line + 1, mark.column + 1)
        while (event := self._next()).__class__ is not SequenceEndEvent:
            item = self._value(event, depth + 1)
            if not take(item):
                items.append(item)
                items.marks.extend(_place(event))
        return items

    def _nested(self, event: Event, key: str | None, depth: int) -> Value:
        """The value of a key, if it is no scalar; the keys below a typed one are of any name."""
        is_typed = key in self._scalar_types and depth < MAX_DEPTH
        if is_typed and isinstance(event, MappingStartEvent):
            self._refuse_properties(event)
            return self._mapping(event, depth + 1, key)
        take = self._takers.get(key) if key is not None and depth == 1 else None
        if take is None or not isinstance(event, SequenceStartEvent):
            return self._value(event, depth + 1)
        self._refuse_properties(event)
        return self._taken_sequence(event, depth + 1, take)

    def _mapping(self, start: Event, depth: int, typed: str | None = None) -> YamlMapping:
        """A mapping; all its values are of the type of the key ``typed``, if that is given."""
        mark = start.start_mark
        mapping = YamlMapping(mark.line + 1, mark.column + 1)
        next_event, mark_down = self._next, mapping.marks.append
        while (key_event := next_event()).__class__ is not MappingEndEvent:
            key = self._key(key_event, depth)
            event = next_event()
            is_scalar = event.__class__ is ScalarEvent
            is_typed = typed or key
            value = self._scalar(event, is_typed) if is_scalar else self._nested(event, key, depth)
            if key is None:
                continue
            if key in mapping:
                self._report_duplicate(key, key_event, mapping)
                continue
            mapping[key] = value
            for mark in (key_event.start_mark, event.start_mark):
                mark_down(mark.line + 1)
                mark_down(mark.column + 1)
        return mapping

    def _key(self, event: Event, depth: int) -> str | None:
        if event.__class__ is not ScalarEvent:
            self._value(event, depth + 1)
            if not isinstance(event, AliasEvent):
                self._report(Rule.KEY_NOT_TEXT, event, "a key must be plain text")
            return None
        if event.anchor is not None or event.tag is not None:
            self._refuse_properties(event)
        text: str = event.value
        if text == "<<" and not event.style:
            self._report(Rule.MERGE_KEY, event, "the merge key << is refused", _NOT_REPEATED)
            return None
        return self._texts.setdefault(text, text)

    def _item(self, event: Event) -> str | None:
        if event.anchor is not None or event.tag is not None:
            self._refuse_properties(event)
        text: str = event.value
        return None if text in _NULLS and not event.style else text

    def _scalar(self, event: Event, key: str | None) -> str | int | None:
        """The value of a key: an item (one object for equal texts), or the type it asks for."""
        text = self._item(event)
        if text is None:
            return None
        wanted = self._scalar_types.get(key) if key is not None and not event.style else None
        if wanted == "integer" and _WHOLE_NUMBER.fullmatch(text):
            return int(text)
        if wanted == "boolean" and text in _FLAGS:
            return _FLAGS[text]
        return self._texts.setdefault(text, text)

    def _refuse_properties(self, event: Event) -> None:
        if event.anchor is not None:
            message = f"the anchor {quoted(str(event.anchor))} is refused"
            self._report(Rule.ANCHOR, event, message, _NOT_REPEATED)
        if event.tag is not None:
            message = f"the tag {quoted(event.tag)} is refused"
            self._report(
                Rule.TAG, event, message, "remove it; every value is read as it is written"
            )

    def _report_duplicate(self, key: str, event: Event, mapping: YamlMapping) -> None:
        first = mapping.key_place(key).line
        message = f"the key {quoted(key)} stands here again; it is first on line {first}"
        self._report(Rule.DUPLICATE_KEY, event, message, "remove one of the two")

    def _report_empty(self) -> None:
        self._problems.error(
            Rule.EMPTY_FILE,
            Source(self._path, 1),
            "the file is empty",
            "start it with 'version: 1' and 'store:', or remove it",
        )

    def _report(self, rule: Rule, event: Event, message: str, hint: str | None = None) -> None:
        source = Source(self._path, *_place(event))
        if self._refused == MOST:
            self._problems.stopped(source)
            raise Stopped
        self._refused += 1
        self._problems.error(rule, source, message, hint)


def _place(event: Event) -> Place:
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1)
