"""A proxy on loopback that sends more than it was asked for, in the ways in which one may."""

from __future__ import annotations

import http.client
import re
import socket
import socketserver
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import islice
from urllib.parse import urlsplit

from ..serving import serving

DOES_NOT_EXIST = b'{"error": {"code": 404, "message": "not found", "status": "NOT_FOUND"}}'


def reply(
    status: int, body: bytes, kind: str = "application/json", *, chunked: bool = False
) -> bytes:
    """A whole reply, as it stands on the wire."""
    head = f"HTTP/1.1 {status} .\r\nContent-Type: {kind}\r\n"
    if status == 204:
        return f"{head}\r\n".encode() + body
    if not chunked:
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    half = len(body) // 2
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(one), one) for one in (body[:half], body[half:]) if one
    )
    return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n\r\n"


NOT_THERE = reply(404, DOES_NOT_EXIST)
DONE = reply(200, b"{}")


class When(Enum):
    """When the extra bytes are sent."""

    AT_ONCE = "in one piece with the reply"
    SOON = "right after the reply, in a piece of their own"
    IDLE = "a moment after the reply, while nothing is asked"
    NEXT = "when the next request has come, before its reply"


@dataclass
class Behaviour:
    """What the proxy does; ``extra`` follows the reply to each request that ``matches``.

    ``fake`` is the reply to these requests in place of the true one, which then has no effect.
    ``seen`` are the requests; ``lied`` how often extra bytes have been sent. With `When.NEXT` the
    true reply to the next request is not sent before ``pause`` returns. Each
    connection is closed after ``most`` replies.
    """

    extra: bytes = b""
    when: When = When.AT_ONCE
    matches: Callable[[str, str], bool] = lambda method, path: True
    fake: bytes | None = None
    chunked: bool = False
    most: int | None = None
    seen: list[tuple[str, str]] = field(default_factory=list)
    lied: int = 0
    pause: Callable[[], object] = lambda: time.sleep(0.02)


@contextmanager
def running_proxy(
    upstream: str, behaviour: Behaviour, *, context: ssl.SSLContext | None = None
) -> Iterator[str]:
    """The origin of a proxy before ``upstream``, over TLS with a context."""
    host = urlsplit(upstream).netloc

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(OSError), self.secured() as wire:
                self.serve(wire)

        def secured(self) -> socket.socket:
            return context.wrap_socket(self.request, server_side=True) if context else self.request

        def serve(self, wire: socket.socket) -> None:
            held = b""
            requests = iter(partial(read_request, wire), None)
            for method, path, headers, body in islice(requests, behaviour.most):
                behaviour.seen.append((method, path))
                if held:
                    behaviour.lied += 1  # before the client can have read it
                    wire.sendall(held)
                    behaviour.pause()
                held = self.answer(wire, method, path, headers, body)

        def answer(self, wire, method, path, headers, body) -> bytes:
            is_struck = behaviour.matches(method, path)
            fake = behaviour.fake if is_struck else None
            true = fake or ask(host, method, path, headers, body, chunked=behaviour.chunked)
            extra = behaviour.extra if is_struck else b""
            when = behaviour.when
            match when:
                case When.AT_ONCE:
                    wire.sendall(true + extra)
                case When.SOON | When.IDLE:
                    wire.sendall(true)
                    time.sleep(0.01 if when is When.IDLE else 0)
                    wire.sendall(extra)
                case When.NEXT:
                    wire.sendall(true)
                    return extra
            behaviour.lied += bool(extra)
            return b""

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 128

    with serving(Server(("127.0.0.1", 0), Handler)) as port:
        yield f"{'https' if context else 'http'}://127.0.0.1:{port}"


def read_request(wire: socket.socket) -> tuple[str, str, dict[str, str], bytes] | None:
    """The next request of a connection; None at its end."""
    text = b""
    while b"\r\n\r\n" not in text:
        piece = wire.recv(65536)
        if not piece:
            return None
        text += piece
    head, _, body = text.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    length = int(next((v for k, v in headers.items() if k.lower() == "content-length"), 0))
    while len(body) < length:
        body += wire.recv(65536)
    method, path, _ = first.split(" ")
    return method, path, headers, body


def ask(
    host: str, method: str, path: str, headers: dict[str, str], body: bytes, *, chunked: bool
) -> bytes:
    """The true reply."""
    kept = {k: v for k, v in headers.items() if not re.fullmatch("(?i)host|accept-encoding", k)}
    connection = http.client.HTTPConnection(host)
    try:
        connection.request(method, path, body or None, kept)
        told = connection.getresponse()
        content = told.read()
        kind = told.getheader("Content-Type", "text/plain")
        return reply(told.status, content, kind, chunked=chunked)
    finally:
        connection.close()
