"""What the answer to a retrieve probe says of presence, as a total function.

=====================================================  ========
200 with DICOM JSON, of what was asked for             PRESENT
404 with a body that names the code 404                ABSENT
anything else                                          UNKNOWN
=====================================================  ========

Whose the JSON is was read before, and an ABSENT counts only if something else confirms it; both
are the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from reconciler.live.dicomweb.absence import is_not_found, names_missing
from reconciler.live.http.answer import Answer
from reconciler.live.http.bodies import DICOM_JSON, is_html, media_type
from reconciler.model.live import ABSENT, PRESENT, Observation, unknown

_REDIRECTS = range(300, 400)


def observe(answer: Answer, is_missing: Callable[[Answer], bool] = names_missing) -> Observation:
    """Read the answer; an UNKNOWN says why, and never quotes the body.

    ``is_missing`` says whether a 404 is the server's own word.
    """
    if is_dataset(answer.status, answer.content_type):
        return PRESENT
    if is_not_found(answer) and is_missing(answer):
        return ABSENT
    return unknown(describe_unexpected(answer))


def is_dataset(status: int, content_type: str) -> bool:
    """Whether an answer holds what was asked for: datasets in the DICOM JSON Model."""
    return status == HTTPStatus.OK and media_type(content_type) == DICOM_JSON


def describe_unexpected(answer: Answer) -> str:
    """Name an answer that is not the API's own; of a 404 that is what matters most."""
    said = describe(answer)
    is_plain = is_not_found(answer) and not is_html(answer)
    return f"{said}, not in the API's own words" if is_plain else said


def describe(answer: Answer) -> str:
    """Name an answer by its status and kind, such as ``HTTP 403`` or ``HTTP 200 with HTML``."""
    if answer.status in _REDIRECTS:
        return f"HTTP {answer.status}, a redirect"
    if is_html(answer):
        return f"HTTP {answer.status} with HTML"
    if answer.status == HTTPStatus.OK:
        kind = media_type(answer.content_type) or "no content type"
        return f"HTTP {answer.status} with {kind}"
    return f"HTTP {answer.status}"
