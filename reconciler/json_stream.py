"""JSON that is decoded while it arrives, with never more of it in memory than its longest value.

Decoding a long array member by member also costs a seventh of decoding it whole: most of that is
Python's garbage collector walking fresh dicts.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

_NO_SPACE = re.compile(r"[^ \t\r\n]")
_BRACKET_OR_QUOTE = re.compile(r'["\[\]{}]')
_QUOTE_OR_ESCAPE = re.compile(r'["\\]')


class JsonError(ValueError):
    """The text is not JSON, or not the JSON that its reader asked for."""


class JsonStream:
    """A reader of one document in UTF-8, which arrives in ``chunks`` of any size.

    Its caller says what comes next. Inside `members` and `items` exactly one value must be read,
    by any of the three, before the next is asked for. ``longest`` is how many characters a value
    may have, None for no limit.

    Every method raises `JsonError`, or `UnicodeDecodeError` where the bytes are not text.
    """

    def __init__(self, chunks: Iterable[bytes], *, longest: int | None = None) -> None:
        self._chunks = iter(chunks)
        self._longest = longest
        self._characters = codecs.getincrementaldecoder("utf-8")().decode
        self._decode = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        self._line, self._column = 1, 1
        self._ended = False

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            if found := _NO_SPACE.search(self._text, self._at):
                self._at = found.start()
                return self._text[self._at]
            self._at = len(self._text)
            if not self._grow(1):
                return ""

    def peek_inside(self) -> str:
        """The character after the next one, white space left out: with what an array begins."""
        self.peek()
        while True:
            if found := _NO_SPACE.search(self._text, self._at + 1):
                return found.group()
            if not self._grow(1):
                return ""

    def members(self) -> Iterator[str]:
        """The keys of an object, each before its value is read."""
        self._expect("{")
        if self.peek() != "}":
            yield self._key()
            while self.peek() == ",":
                self._at += 1
                yield self._key()
        self._expect("}")

    def items(self) -> Iterator[None]:
        """Once for each value of an array, before it is read."""
        self._expect("[")
        if self.peek() != "]":
            yield
            while self.peek() == ",":
                self._at += 1
                yield
        self._expect("]")

    def value(self) -> Any:
        """The value that comes next, whatever it is."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except RecursionError:
                raise JsonError("it is not JSON that can be read: nested too deep") from None
            except json.JSONDecodeError as error:
                # Cut off, so far as is known; doubling keeps a long value from costing its square.
                into = error.pos - self._at
                if not self._grow(len(self._text) - self._at):
                    raise self._error(error.msg, self._at + into) from None
            except ValueError:
                raise JsonError("it is not JSON that can be read: too long a number") from None
            else:
                if end < len(self._text) or not self._grow(1):  # else a number might go on
                    self._at = end
                    return value

    def skip(self) -> None:
        """Pass over the value that comes next, however long it is, and hold nothing of it.

        Of an array, an object or a text no more is looked at than where it ends.
        """
        depth = 0
        if self.peek() not in {'"', "[", "{"}:
            self.value()
            return
        while True:
            mark = self._find(_BRACKET_OR_QUOTE)
            if mark == '"':
                self._skip_text()
            else:
                depth += 1 if mark in "[{" else -1
            if depth == 0:
                return

    def end(self) -> None:
        """Make sure that nothing follows."""
        if self.peek():
            raise self._error("Extra data", self._at)

    def _skip_text(self) -> None:
        """Pass over the rest of a text whose first quote was read."""
        while self._find(_QUOTE_OR_ESCAPE) == "\\":
            if self._at == len(self._text) and not self._grow(1):
                raise self._error("Unterminated string", self._at)
            self._at += 1

    def _find(self, pattern: re.Pattern[str]) -> str:
        """Go on behind the next character that matches; that character."""
        while not (found := pattern.search(self._text, self._at)):
            self._at = len(self._text)
            if not self._grow(1):
                raise self._error("Unterminated value", self._at)
        self._at = found.end()
        return found.group()

    def _key(self) -> str:
        if self.peek() != '"':
            raise self._error("Expecting property name enclosed in double quotes", self._at)
        key: str = self.value()
        self._expect(":")
        return key

    def _expect(self, character: str) -> None:
        if self.peek() != character:
            raise self._error(f"Expecting {character!r}", self._at)
        self._at += 1

    def _error(self, message: str, at: int) -> JsonError:
        self._pass_by(at)
        return JsonError(f"line {self._line} column {self._column}: {message}")

    def _pass_by(self, at: int) -> None:
        """Move line and column past the text before ``at``."""
        lines = self._text.count("\n", 0, at)
        self._line += lines
        since = self._text.rfind("\n", 0, at) + 1 if lines else 0
        self._column = at - since + (1 if lines else self._column)

    def _grow(self, least: int) -> bool:
        """Let at least so many more characters arrive; False if nothing more comes."""
        if self._ended:
            return False
        self._pass_by(self._at)
        pieces = [self._text[self._at :]]
        arrived = 0
        while arrived < least and not self._ended:
            chunk = next(self._chunks, None)
            self._ended = chunk is None
            pieces.append(self._characters(chunk or b"", final=self._ended))
            arrived += len(pieces[-1])
        self._text, self._at = "".join(pieces), 0
        if self._longest is not None and len(self._text) > self._longest + least:
            raise JsonError("it is not JSON that can be read: too long a value")
        return arrived > 0
