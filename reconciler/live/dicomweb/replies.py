"""What the answer to a DELETE, or to a file, says of what happened, as total functions."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from reconciler.live.dicomweb.absence import is_not_found, names_missing
from reconciler.live.dicomweb.probe_reply import describe, describe_unexpected
from reconciler.live.http.answer import Answer
from reconciler.live.http.bodies import (
    has_own_error_body,
    is_html,
    is_json,
    media_type,
    names_operation,
    parse_json,
)
from reconciler.live.http.faults import Fault
from reconciler.model.reply import Reply, ReplyKind

_BY_STATUS = {
    401: ReplyKind.UNAUTHENTICATED,
    408: ReplyKind.UNCLEAR,
    425: ReplyKind.THROTTLED,
    429: ReplyKind.THROTTLED,
    500: ReplyKind.UNCLEAR,
    502: ReplyKind.UNCLEAR,
    503: ReplyKind.UNCLEAR,
    504: ReplyKind.UNCLEAR,
}
"""Statuses that say it whatever the body is: a load balancer may have written it."""

_CLIENT_ERRORS = range(400, 500)
_FAILED_SOP_SEQUENCE = "00081198"
_DICOM_XML = "application/dicom+xml"

Test = Callable[[Answer], bool]


def is_empty(answer: Answer) -> bool:
    """An empty body or an empty JSON object, which is how the Healthcare API says it is done."""
    return not answer.body.strip() or parse_json(answer.body) == {}


def delete_reply(
    answer: Answer,
    is_done: Test = is_empty,
    is_missing: Test = names_missing,
    is_own_error: Test = has_own_error_body,
) -> Reply:
    """Read the answer to one DELETE.

    ``is_done`` says whether a 200 or 204 is what it should be, ``is_missing`` whether a 404 is,
    ``is_own_error`` whether another 4xx is the server's own.
    """
    if names_operation(answer):
        detail = f"{describe(answer)} naming a long-running operation"
        return _reply(ReplyKind.OPERATION, answer, detail)
    kind = _BY_STATUS.get(answer.status)
    if kind is None:
        kind = _deleted(answer, is_done, is_missing, is_own_error)
    say = describe_unexpected if kind is ReplyKind.UNEXPECTED else describe
    return _reply(kind, answer, say(answer))


def _deleted(answer: Answer, is_done: Test, is_missing: Test, is_own_error: Test) -> ReplyKind:
    is_plain = answer.is_whole and not is_html(answer)
    if answer.status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT} and is_plain and is_done(answer):
        return ReplyKind.ACCEPTED
    if is_not_found(answer):
        return ReplyKind.NOT_FOUND if is_missing(answer) else ReplyKind.UNEXPECTED
    if answer.status in _CLIENT_ERRORS and is_own_error(answer):
        return ReplyKind.REFUSED
    return ReplyKind.UNEXPECTED


def stow_kind(answer: Answer) -> ReplyKind:
    """What a status that is not one of a load balancer says, with its body, to STOW-RS.

    PS3.18 section 10.5.3: 200 when all was stored, 202 when some was, 409 when nothing was.
    """
    if answer.status == HTTPStatus.OK and _is_store_response(answer):
        return ReplyKind.ACCEPTED
    is_explained = _is_structured(answer) or has_own_error_body(answer)
    if answer.status == HTTPStatus.CONFLICT and is_explained:
        return ReplyKind.ALREADY_EXISTS
    if answer.status in _CLIENT_ERRORS and has_own_error_body(answer):
        return ReplyKind.REFUSED
    return ReplyKind.UNEXPECTED


def store_reply(answer: Answer, said: Callable[[Answer], ReplyKind] = stow_kind) -> Reply:
    """Read the answer to one request that stores one instance.

    ``said`` reads what is no page for a browser, and whose status does not say it alone.
    """
    kind = _BY_STATUS.get(answer.status)
    if kind is None:
        kind = ReplyKind.UNEXPECTED if is_html(answer) else said(answer)
    return _reply(kind, answer, describe(answer))


def no_answer(fault: Fault, request_id: str | None) -> Reply:
    """Read that no answer came, or a broken one."""
    kind = ReplyKind.THROTTLED if fault.nothing_was_sent else ReplyKind.UNCLEAR
    return Reply(kind, None, fault.value, request_id=request_id)


def unsent(kind: ReplyKind, error: Exception) -> Reply:
    """What stands for the answer to a request that was never sent."""
    return Reply(kind, None, f"{error}; nothing was sent")


def _reply(kind: ReplyKind, answer: Answer, detail: str) -> Reply:
    detail = "" if kind is ReplyKind.ACCEPTED else detail
    return Reply(kind, answer.status, detail, answer.retry_after, answer.request_id)


def _is_store_response(answer: Answer) -> bool:
    """A Store Instances Response (PS3.18 annex I) that names no failure.

    The service also writes it as XML; the comparison that follows is the proof in any case.
    """
    if media_type(answer.content_type) == _DICOM_XML:
        return True
    members = parse_json(answer.body) if _is_structured(answer) else None
    return isinstance(members, dict) and not _names_failure(members)


def _names_failure(members: dict[str, Any]) -> bool:
    """Whether the Failed SOP Sequence has an item; Orthanc writes it without one, too."""
    match members.get(_FAILED_SOP_SEQUENCE, {}):
        case {**sequence}:
            return bool(sequence.get("Value"))
    return True


def _is_structured(answer: Answer) -> bool:
    """Whether the body is of a kind in which a Store Instances Response is written."""
    kind = media_type(answer.content_type)
    return answer.is_whole and (is_json(answer.content_type) or kind == _DICOM_XML)
