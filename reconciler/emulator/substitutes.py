"""The answers that faults give instead of the truth."""

from __future__ import annotations

from dataclasses import replace

from reconciler.emulator.faulty.faults import FaultKind, FaultRule
from reconciler.emulator.http.answer import JSON, Response, error_answer, json_answer
from reconciler.emulator.settings import ErrorShape

_HTML = "text/html; charset=UTF-8"
_PROXY_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Error</title></head>"
    b"<body><h1>The proxy could not complete the request</h1></body></html>\n"
)
_MESSAGES = {
    401: (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login"
        " cookie or other valid authentication credential."
    ),
    403: "Permission denied on the resource (or it may not exist).",
    404: "The requested DICOM resource was not found.",
    429: "Quota exceeded for quota metric 'DICOMweb operations'.",
    503: "The service is currently unavailable.",
}


def substitute(rule: FaultRule, shape: ErrorShape, *, changed: bool) -> Response:
    """What a fault answers that does answer; ``changed`` is the truth."""
    match rule.fault:
        case FaultKind.HTML:
            answer = Response(rule.status or 502, _HTML, (_PROXY_PAGE,))
        case FaultKind.REDIRECT:
            answer = Response(302, _HTML, (_PROXY_PAGE,), {"Location": rule.location or ""})
        case FaultKind.OPERATION:
            answer = json_answer({"name": "projects/p/locations/l/datasets/d/operations/1"})
        case FaultKind.RATE_CAP:
            answer = error(429, shape, retry_after=rule.retry_after)
        case _ if rule.body is not None:
            answer = Response(rule.status or 500, JSON, (rule.body.encode(),))
        case _:
            answer = error(rule.status or 500, shape, retry_after=rule.retry_after)
    return replace(answer, changed=changed)


def error(status: int, shape: ErrorShape, *, retry_after: int | None = None) -> Response:
    """An error with the message that the service has for its status."""
    message = _MESSAGES.get(status, "The request could not be served.")
    return error_answer(status, message, shape, retry_after=retry_after)
