"""A proxy on loopback before a store, which spoils what a test says."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..serving import QuietHandler, serving_http

PER_HOP = {"connection", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Reply:
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


Forward = Callable[[Request], Reply]
Fault = Callable[[Request, Forward], Reply | None]
"""Gives the reply, or None for a connection that is closed without one."""


@dataclass
class Proxy:
    """``queued`` are the faults of the next requests of a method, one each; then ``always``."""

    upstream: str
    url: str = ""
    queued: dict[str, list[Fault]] = field(default_factory=dict)
    always: dict[str, Fault] = field(default_factory=dict)
    seen: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    writing: AbstractContextManager[object] = field(default_factory=nullcontext)
    """What lets one PUT through at a time, for a store that looks first and then writes."""

    def next(self, request: Request) -> Fault:
        with self.lock:
            self.seen.append(request)
            waiting = self.queued.get(request.method, [])
            return waiting.pop(0) if waiting else self.always.get(request.method, honest)

    def forward(self, request: Request) -> Reply:
        with self.writing if request.method == "PUT" else nullcontext():
            return self._forward(request)

    def _forward(self, request: Request) -> Reply:
        connection = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=30)
        connection.putrequest(
            request.method, request.path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in request.headers:
            if name.lower() not in PER_HOP:
                connection.putheader(name, value)
        if request.body or request.method in {"PUT", "POST"}:
            connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body or None)
        answer = connection.getresponse()
        reply = Reply(answer.status, tuple(answer.getheaders()), answer.read())
        connection.close()
        return reply

    def count(self, method: str) -> int:
        return sum(request.method == method for request in self.seen)


def honest(request: Request, forward: Forward) -> Reply | None:
    return forward(request)


def lost(request: Request, forward: Forward) -> Reply | None:
    """The store acts; its reply never arrives."""
    forward(request)
    return None


def unheard(request: Request, forward: Forward) -> Reply | None:
    """The request never arrives."""
    return None


def says(status: int, code: str = "", *, acts: bool = False) -> Fault:
    """A reply in place of the true one, after the store has acted or without asking it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode() if code else b""

    def fault(request: Request, forward: Forward) -> Reply | None:
        if acts:
            forward(request)
        return Reply(status, (("Content-Type", "application/xml"),), body)

    return fault


def late(seconds: float) -> Fault:
    """The store acts at once; its reply takes long."""

    def fault(request: Request, forward: Forward) -> Reply | None:
        reply = forward(request)
        time.sleep(seconds)
        return reply

    return fault


def without(*names: str) -> Fault:
    """Headers are dropped on the way."""

    def fault(request: Request, forward: Forward) -> Reply | None:
        kept = tuple(pair for pair in request.headers if pair[0].lower() not in names)
        return forward(Request(request.method, request.path, kept, request.body))

    return fault


def overwriting(request: Request, forward: Forward) -> Reply | None:
    """A look-alike of any of the three that does not know their preconditions."""
    return without("if-none-match", "x-goog-if-generation-match")(request, forward)


def whispering(request: Request, forward: Forward) -> Reply | None:
    """It repeats the credentials that it was sent, in its words and in its code."""
    sent = dict(request.headers).get("authorization", "nothing")
    body = f"<Error><Code>{sent}</Code><Message>{sent}</Message></Error>".encode()
    return Reply(403, (("Content-Type", "application/xml"),), body)


@contextmanager
def running_proxy(upstream: str) -> Iterator[Proxy]:
    proxy = Proxy(upstream)

    class Handler(QuietHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, tuple(self.headers.items()), body)
            reply = proxy.next(request)(request, proxy.forward)
            if reply is None:
                self.close_connection = True
                return
            self.send_response_only(reply.status)
            for name, value in reply.headers:
                if name.lower() not in PER_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

    with serving_http(Handler) as proxy.url:
        yield proxy
