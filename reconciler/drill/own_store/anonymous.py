"""What of a server's words may be sent to others: no names, no addresses, no identifiers."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Any

from reconciler.live.http.answer import Answer
from reconciler.live.http.bodies import media_type, parse_json

Json = Any

_HIDDEN = "…"
_KEY = re.compile(r"@?[A-Za-z]{1,30}")
_WORD = re.compile(
    r"[\"'(]?([A-Za-z]{1,20}(?:_[A-Z]{1,20})*|[0-9]{1,3}|[1-9]0{3,6})[\"')]?[.,:;!?]?"
)
"""A plain word, a name of a constant, or a number such as a status code or a round limit."""

_MOST_WORDS = 40
_DEEPEST = 5
_LONGEST = 10  # members of an object, or items of an array
_HIGHEST = 999  # a status code
_ERROR = 400


def said(answer: Answer, names: Set[str]) -> dict[str, Json]:
    """What was answered; of an error in JSON also its body, as `shape` leaves it.

    Nothing of the body of a success is given: it may be of a patient.
    """
    shown: dict[str, Json] = {"status": answer.status, "type": media_type(answer.content_type)}
    if answer.status >= _ERROR:
        # Whatever its content type: Orthanc writes JSON without one, or as text/plain.
        body = parse_json(answer.body) if answer.is_whole else None
        shown["body"] = len(answer.body) if body is None else shape(body, names)
    if answer.retry_after is not None:
        shown["retryAfter"] = answer.retry_after
    return shown


def shape(value: Json, names: Set[str], depth: int = 0) -> Json:
    """JSON in which every text is `words`, and every number beyond a status code is hidden."""
    match value:
        case bool() | None:
            return value
        case int() if 0 <= value <= _HIGHEST:
            return value
        case str():
            return words(value, names)
        case dict() if depth < _DEEPEST:
            members = list(value.items())[:_LONGEST]
            return {_key(key, names): shape(one, names, depth + 1) for key, one in members}
        case list() if depth < _DEEPEST:
            return [shape(one, names, depth + 1) for one in value[:_LONGEST]]
    return _HIDDEN


def words(text: str, names: Set[str]) -> str:
    """The plain words of a text; paths, hosts, numbers, identifiers and ``names`` are hidden.

    ``names`` are in lower case.
    """
    shown = [_word(word, names) for word in text.split()[:_MOST_WORDS]]
    return " ".join(
        word for at, word in enumerate(shown) if word != _HIDDEN or shown[at - 1 : at] != [_HIDDEN]
    )


def _word(word: str, names: Set[str]) -> str:
    match = _WORD.fullmatch(word)
    return _HIDDEN if match is None or match[1].lower() in names else word


def _key(key: str, names: Set[str]) -> str:
    return key if _KEY.fullmatch(key) and key.lower() not in names else _HIDDEN
