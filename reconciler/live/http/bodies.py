"""What the bodies and content types of answers say, as pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from reconciler.live.http.answer import Answer

DICOM_JSON = "application/dicom+json"
"""The media type of metadata and of search results (PS3.18 annex F)."""

_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}")
_DICOM_PART = re.compile(r';\s*type="?application/dicom(?:\+(?:json|xml))?"?\s*(?:;|$)')
_CODE_KEYS = frozenset({"code", "HttpStatus"})


def media_type(content_type: str) -> str:
    """The type without its parameters, in lower case; empty if there is none that can be read."""
    text = content_type.partition(";")[0].strip().lower()
    return text if _MEDIA_TYPE.fullmatch(text) else ""


def is_multipart_dicom(content_type: str) -> bool:
    """Whether it is a content type of several DICOM parts (PS3.18 section 8.7.3)."""
    is_multipart = media_type(content_type) == "multipart/related"
    return is_multipart and _DICOM_PART.search(content_type.lower()) is not None


def is_json(content_type: str) -> bool:
    """Whether it is JSON of any kind."""
    kind = media_type(content_type)
    return kind == "application/json" or kind.endswith("+json")


def is_html(answer: Answer) -> bool:
    """Whether it is a page for a browser, by its type or by how it begins."""
    kind = media_type(answer.content_type)
    start = answer.body[:64].lstrip().lower()
    return kind in {"text/html", "application/xhtml+xml"} or start.startswith(
        (b"<!doctype", b"<html")
    )


def parse_json(body: bytes) -> Any:
    """The body as JSON; None if it is not (and for ``null``, which no answer consists of)."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def has_own_error_body(answer: Answer) -> bool:
    """Whether the error is in the API's own words, and not by something in between.

    A JSON object, an array of one object, or a string; any code in it is the answer's status.
    """
    if not answer.is_whole or (answer.content_type and not is_json(answer.content_type)):
        return False
    parsed = parse_json(answer.body)
    if isinstance(parsed, list) and len(parsed) == 1 and isinstance(parsed[0], dict):
        parsed = parsed[0]
    if isinstance(parsed, str):
        return parsed != ""
    if not isinstance(parsed, dict) or not parsed:
        return False
    return all(str(code) == str(answer.status) for code in _codes(parsed))


def names_operation(answer: Answer) -> bool:
    """Whether the body is a long-running operation of the API: a JSON object that names one."""
    parsed = parse_json(answer.body)
    if not isinstance(parsed, dict):
        return False
    name = parsed.get("name")
    return isinstance(name, str) and "operations/" in name


def _codes(parsed: dict[str, Any]) -> Iterator[Any]:
    """The codes of an error object, of itself and of the error inside it."""
    for key, value in parsed.items():
        if key in _CODE_KEYS:
            yield value
        elif key == "error" and isinstance(value, dict):
            yield from _codes(value)
