"""What the answer to a retrieve probe says of presence, as a total function.

=====================================================  ========
200 with a DICOM content type                          PRESENT
404 with the API's own error body                      ABSENT
anything else                                          UNKNOWN
=====================================================  ========

The ABSENT of one answer counts only between two pre-flights that succeed; that is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.live.answer import Answer
from reconciler.live.bodies import has_own_error_body, is_dicom, is_html, media_type
from reconciler.model.live import ABSENT, PRESENT, Observation, unknown

_OK = 200
_NOT_FOUND = 404
_REDIRECTS = range(300, 400)


def observe(
    answer: Answer, is_own_error: Callable[[Answer], bool] = has_own_error_body
) -> Observation:
    """Read the answer; an UNKNOWN says why, and never quotes the body.

    ``is_own_error`` says whether a 404 is the server's own word.
    """
    if answer.status == _OK and is_dicom(answer.content_type):
        return PRESENT
    if answer.status == _NOT_FOUND and is_own_error(answer):
        return ABSENT
    return unknown(describe(answer))


def describe(answer: Answer) -> str:
    """Name an answer by its status and kind, such as ``HTTP 403`` or ``HTTP 200 with HTML``."""
    if answer.status in _REDIRECTS:
        return f"HTTP {answer.status}, a redirect"
    if is_html(answer):
        return f"HTTP {answer.status} with HTML"
    if answer.status == _OK:
        kind = media_type(answer.content_type) or "no content type"
        return f"HTTP {answer.status} with {kind}"
    if answer.status == _NOT_FOUND and not has_own_error_body(answer):
        return f"HTTP {answer.status}, not in the store's own words"
    return f"HTTP {answer.status}"
