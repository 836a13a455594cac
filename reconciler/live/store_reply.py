"""What the answer to a request that stores one instance says, as a total function.

STOW-RS (PS3.18 section 10.5.3): 200 when all was stored, 202 when some was, 409 when nothing was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.live.answer import Answer
from reconciler.live.bodies import has_own_error_body, is_html, is_json, media_type, parse_json
from reconciler.live.faults import Fault
from reconciler.live.probe_reply import describe
from reconciler.model.reply import StoreReply, StoreReplyKind

_BY_STATUS = {
    401: StoreReplyKind.UNAUTHENTICATED,
    408: StoreReplyKind.UNCLEAR,
    425: StoreReplyKind.THROTTLED,
    429: StoreReplyKind.THROTTLED,
    500: StoreReplyKind.UNCLEAR,
    502: StoreReplyKind.UNCLEAR,
    503: StoreReplyKind.UNCLEAR,
    504: StoreReplyKind.UNCLEAR,
}
"""Statuses that say it whatever the body is: a load balancer may have written it."""

_OK = 200
_CONFLICT = 409
_CLIENT_ERRORS = range(400, 500)
_FAILED_SOP_SEQUENCE = "00081198"


def store_response(answer: Answer) -> StoreReplyKind:
    """What a status that is not one of a load balancer says, with its body, to STOW-RS."""
    if answer.status == _OK and _is_store_response(answer):
        return StoreReplyKind.STORED
    if answer.status == _CONFLICT and (_is_told(answer) or has_own_error_body(answer)):
        return StoreReplyKind.ALREADY_EXISTS
    if answer.status in _CLIENT_ERRORS and has_own_error_body(answer):
        return StoreReplyKind.REFUSED
    return StoreReplyKind.FOREIGN


def classify(
    answer: Answer, said: Callable[[Answer], StoreReplyKind] = store_response
) -> StoreReply:
    """Read the answer to one request that stores one instance.

    ``said`` reads what is no page for a browser, and whose status does not say it alone.
    """
    kind = _kind(answer, said)
    detail = "" if kind is StoreReplyKind.STORED else describe(answer)
    return StoreReply(kind, answer.status, detail, answer.retry_after, answer.request_id)


def classify_fault(fault: Fault, request_id: str | None) -> StoreReply:
    """Read that no answer came, or a broken one."""
    kind = StoreReplyKind.THROTTLED if fault.nothing_was_sent else StoreReplyKind.UNCLEAR
    return StoreReply(kind, None, fault.value, request_id=request_id)


def _kind(answer: Answer, said: Callable[[Answer], StoreReplyKind]) -> StoreReplyKind:
    if answer.status in _BY_STATUS:
        return _BY_STATUS[answer.status]
    return StoreReplyKind.FOREIGN if is_html(answer) else said(answer)


def _is_store_response(answer: Answer) -> bool:
    """A Store Instances Response (PS3.18 annex I) that names no failure.

    The service also writes it as XML; the comparison that follows is the proof in any case.
    """
    if media_type(answer.content_type) == "application/dicom+xml":
        return True
    told = parse_json(answer.body) if _is_told(answer) else None
    return isinstance(told, dict) and not _names_failure(told)


def _names_failure(told: dict[str, Any]) -> bool:
    """Whether the Failed SOP Sequence has an item; Orthanc writes it without one, too."""
    match told.get(_FAILED_SOP_SEQUENCE, {}):
        case {**sequence}:
            return bool(sequence.get("Value"))
    return True


def _is_told(answer: Answer) -> bool:
    """Whether the body is of a kind in which a Store Instances Response is written."""
    kind = media_type(answer.content_type)
    return answer.is_whole and (is_json(answer.content_type) or kind == "application/dicom+xml")
