"""The way of a request: logged, judged by the faults, authorised, answered, sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace

from aiohttp import web

from reconciler.emulator.call import Service
from reconciler.emulator.control import PREFIX, Control
from reconciler.emulator.faulty.faults import FaultKind, FaultRule
from reconciler.emulator.http.answer import JSON, ApiError, Response, error_answer, json_answer
from reconciler.emulator.http.request_log import RequestLog, RequestRecord
from reconciler.emulator.http.sending import reset, send, send_truncated
from reconciler.emulator.routes import answer_api
from reconciler.emulator.settings import ErrorShape
from reconciler.emulator.tokens import Tokens
from reconciler.model.service import loopback_port

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


class Application:
    """Answers every request; ``monotonic`` gives seconds."""

    def __init__(self, service: Service, log: RequestLog, monotonic: Callable[[], float]) -> None:
        self.service = service
        self.log = log
        self.tokens = Tokens(service.settings.token_lifetime, monotonic)
        self.stopping = asyncio.Event()
        self._control = Control(service.injector, log, self.tokens)
        self._monotonic = monotonic

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, or break it as the faults say.

        One that names another host is refused and leaves no trace: a page of the web could send it
        after it rebound its own name to the loopback address.
        """
        if loopback_port(f"http://{request.headers.get('Host', '')}") is None:
            shape = self.service.settings.error_shape
            message = "The Host header does not name a loopback address."
            return await send(request, error_answer(421, message, shape))
        if request.raw_path.startswith(PREFIX):
            return await send(request, await self._worded(self._control.answer(request)))
        record = self.log.received(
            time=self._monotonic(),
            method=request.method,
            path=request.raw_path,
            headers=request.headers,
        )
        verdict = self.service.injector.judge(request.method, request.raw_path)
        try:
            if verdict.delay:
                await asyncio.sleep(verdict.delay)
            if verdict.fault is not None:
                return await self._strike(request, record, verdict.fault)
            return await self._send(request, record, await self._answer(request))
        except ConnectionError:
            self.log.lost(record)
            return web.Response()

    async def _strike(
        self, request: web.BaseRequest, record: RequestRecord, rule: FaultRule
    ) -> web.StreamResponse:
        """Let a fault happen, before or after the request does its work."""
        truth = Response(200)
        if rule.after_effect or rule.fault is FaultKind.TRUNCATE:
            truth = await self._answer(request)
        match rule.fault:
            case FaultKind.RESET:
                self.log.answered(record, status="reset", changed=truth.changed)
                return reset(request)
            case FaultKind.HANG:
                self.log.answered(record, status="hang", changed=truth.changed)
                await self.stopping.wait()
                return reset(request)
            case FaultKind.TRUNCATE:
                self.log.answered(record, status=truth.status, changed=truth.changed)
                return await send_truncated(request, truth, rule.body_bytes)
            case _:
                shape = self.service.settings.error_shape
                answer = replace(_substitute(rule, shape), changed=truth.changed)
                return await self._send(request, record, answer)

    async def _answer(self, request: web.BaseRequest) -> Response:
        """Do what the request asks for."""
        if request.path == "/token" and request.method == "POST":
            form = await request.post()
            return self.tokens.answer({name: str(value) for name, value in form.items()})
        settings = self.service.settings
        authorization = request.headers.get("Authorization")
        if settings.require_token and not self.tokens.accepts(authorization):
            return _error(401, settings.error_shape)
        return await self._worded(answer_api(request, self.service))

    async def _worded(self, answering: Coroutine[None, None, Response]) -> Response:
        """The answer; or the error, in the configured shape."""
        try:
            return await answering
        except ApiError as refusal:
            shape = self.service.settings.error_shape
            return error_answer(refusal.status, refusal.message, shape)

    async def _send(
        self, request: web.BaseRequest, record: RequestRecord, answer: Response
    ) -> web.StreamResponse:
        self.log.answered(record, status=answer.status, changed=answer.changed)
        return await send(request, answer)


def _substitute(rule: FaultRule, shape: ErrorShape) -> Response:
    """What a fault answers instead of the truth."""
    match rule.fault:
        case FaultKind.HTML:
            return Response(rule.status or 502, _HTML, (_PROXY_PAGE,))
        case FaultKind.REDIRECT:
            return Response(302, _HTML, (_PROXY_PAGE,), {"Location": rule.location or ""})
        case FaultKind.OPERATION:
            return json_answer({"name": "projects/p/locations/l/datasets/d/operations/1"})
        case FaultKind.RATE_CAP:
            return _error(429, shape, retry_after=rule.retry_after)
        case _ if rule.body is not None:
            return Response(rule.status or 500, JSON, (rule.body.encode(),))
        case _:
            return _error(rule.status or 500, shape, retry_after=rule.retry_after)


def _error(status: int, shape: ErrorShape, *, retry_after: int | None = None) -> Response:
    """An error with the message that the service has for its status."""
    message = _MESSAGES.get(status, "The request could not be served.")
    return error_answer(status, message, shape, retry_after=retry_after)
