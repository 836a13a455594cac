"""Whether a 404 can be the API's own word that something does not exist, by its body.

==========================================================  ==============================
an object, or an array of one, with the code 404            `Word.CODE`: it is
in it or in its ``error``, and no other code
a bare string that is not empty                             `Word.TEXT`: if what nobody
                                                            has gets the same one
anything else: an object without a code, HTML, nothing      `Word.NONE`: it is not
==========================================================  ==============================

What a gateway writes may look like any of these. So no 404 is an absence by its words alone: that
is `reconciler.live.dicomweb.confirmation`.
"""

from __future__ import annotations

import json
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, NoReturn

from reconciler.live.http.answer import Answer
from reconciler.live.http.bodies import is_json
from reconciler.model.live import Observation, unknown


class Word(Enum):
    """What the body of a 404 is."""

    CODE = auto()
    TEXT = auto()
    NONE = auto()


def is_not_found(answer: Answer) -> bool:
    """Whether its status says that something does not exist; the words are another matter."""
    return answer.status == HTTPStatus.NOT_FOUND


def no_absence(why: str) -> Observation:
    """What such an answer is worth if something speaks against it, as in ``HTTP 404, but …``."""
    return unknown(f"HTTP 404{why}")


def word_of(answer: Answer) -> Word:
    """Read the body; NONE for every answer that is not a whole 404 in JSON."""
    is_readable = answer.is_whole and (not answer.content_type or is_json(answer.content_type))
    if not is_not_found(answer) or not is_readable:
        return Word.NONE
    match _parse(answer.body):
        case str(text) if text.strip():
            return Word.TEXT
        case dict(error) | [dict(error)] if _names(answer.status, error):
            return Word.CODE
    return Word.NONE


def names_missing(answer: Answer) -> bool:
    """Whether it is a 404 whose body names the code 404."""
    return word_of(answer) is Word.CODE


def _names(status: int, error: dict[str, Any]) -> bool:
    inner = error.get("error")
    places = [error, inner] if isinstance(inner, dict) else [error]
    codes = [place["code"] for place in places if "code" in place]
    return codes != [] and all(str(code) == str(status) for code in codes)


def _parse(body: bytes) -> Any:
    """The body as JSON of RFC 8259, and no name twice in an object; None if it is not."""
    try:
        return _decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("an object has a duplicate name")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse).decode
"""Made once: to make it takes longer than to read a body."""
