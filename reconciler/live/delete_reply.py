"""What the answer to a DELETE says of what happened, as a total function."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.live.absence import NOT_FOUND, names_missing
from reconciler.live.answer import Answer
from reconciler.live.bodies import has_own_error_body, is_html, names_operation, parse_json
from reconciler.live.faults import Fault
from reconciler.live.probe_reply import describe, describe_foreign
from reconciler.model.reply import DeleteReply, ReplyKind

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

_OK = 200
_NO_CONTENT = 204
_CLIENT_ERRORS = range(400, 500)


def is_empty(answer: Answer) -> bool:
    """An empty body or an empty JSON object, which is how the Healthcare API says it is done."""
    return not answer.body.strip() or parse_json(answer.body) == {}


def classify(
    answer: Answer,
    is_done: Callable[[Answer], bool] = is_empty,
    is_missing: Callable[[Answer], bool] = names_missing,
    is_own_error: Callable[[Answer], bool] = has_own_error_body,
) -> DeleteReply:
    """Read the answer to one DELETE.

    ``is_done`` says whether a 200 or 204 is what it should be, ``is_missing`` whether a 404 is,
    ``is_own_error`` whether another 4xx is the server's own.
    """
    kind = _kind(answer, is_done, is_missing, is_own_error)
    say = describe_foreign if kind is ReplyKind.FOREIGN else describe
    detail = "" if kind is ReplyKind.ACCEPTED else say(answer)
    if kind is ReplyKind.OPERATION:
        detail += " naming a long-running operation"
    return DeleteReply(kind, answer.status, detail, answer.retry_after, answer.request_id)


def classify_fault(fault: Fault, request_id: str | None) -> DeleteReply:
    """Read that no answer came, or a broken one."""
    kind = ReplyKind.THROTTLED if fault.nothing_was_sent else ReplyKind.UNCLEAR
    return DeleteReply(kind, None, fault.value, request_id=request_id)


def _kind(
    answer: Answer,
    is_done: Callable[[Answer], bool],
    is_missing: Callable[[Answer], bool],
    is_own_error: Callable[[Answer], bool],
) -> ReplyKind:
    if names_operation(answer):
        return ReplyKind.OPERATION
    if answer.status in _BY_STATUS:
        return _BY_STATUS[answer.status]
    if answer.status in {_OK, _NO_CONTENT} and _is_plain(answer) and is_done(answer):
        return ReplyKind.ACCEPTED
    if answer.status == NOT_FOUND:
        return ReplyKind.NOT_FOUND if is_missing(answer) else ReplyKind.FOREIGN
    if answer.status in _CLIENT_ERRORS and is_own_error(answer):
        return ReplyKind.REFUSED
    return ReplyKind.FOREIGN


def _is_plain(answer: Answer) -> bool:
    return answer.is_whole and not is_html(answer)
