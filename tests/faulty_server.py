"""A proxy on loopback that answers slowly, endlessly or wrongly where a test says so."""

from __future__ import annotations

import gzip
import itertools
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .live.proxy import ask, read_request
from .serving import serving

Speech = Callable[[bytes], Iterable[bytes]]
"""The pieces that are sent in place of a true reply."""


@dataclass
class Faulty:
    """What the proxy does to the requests that ``matches``, by method and path with query.

    It sends the pieces of ``speech`` with a pause of ``interval`` seconds after each; without one
    the true reply. ``rewrite`` changes the path that is really asked for. ``struck`` is set once
    such a request has come, ``times`` is when, in monotonic seconds; ``seen`` are all requests.
    """

    matches: Callable[[str, str], bool]
    speech: Speech | None = None
    interval: float = 0.0
    rewrite: Callable[[str], str] = lambda path: path
    struck: threading.Event = field(default_factory=threading.Event)
    seen: list[tuple[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


@contextmanager
def running_faulty_server(upstream: str, faulty: Faulty) -> Iterator[str]:
    """The origin of a proxy before ``upstream``."""
    host = urlsplit(upstream).netloc
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(OSError):
                while (request := read_request(self.request)) is not None:
                    self.answer(*request)

        def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
            is_struck = faulty.matches(method, path)
            asked = faulty.rewrite(path) if is_struck else path
            faulty.seen.append((method, path))
            true = ask(host, method, asked, headers, body, chunked=False)
            if not is_struck or faulty.speech is None:
                self.request.sendall(true)
                return
            faulty.times.append(time.monotonic())
            faulty.struck.set()
            for piece in faulty.speech(true):
                self.request.sendall(piece)
                if over.wait(faulty.interval):
                    return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 128

    with serving(Server(("127.0.0.1", 0), Handler)) as port:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            over.set()


def _parts(true: bytes) -> tuple[bytes, bytes]:
    head, _, body = true.partition(b"\r\n\r\n")
    return head, body


def _bytes(text: bytes) -> Iterator[bytes]:
    return (text[at : at + 1] for at in range(len(text)))


def _unsized(true: bytes, more: bytes = b"") -> bytes:
    """The head of the reply without a length, and with one more line."""
    lines = [one for one in _parts(true)[0].split(b"\r\n") if not one.startswith(b"Content-Length")]
    return b"\r\n".join([*lines, *([more] if more else []), b"", b""])


CHUNKED = b"Transfer-Encoding: chunked"
SPACE = b" " * 65536


def silence(true: bytes) -> Iterator[bytes]:
    """Nothing, for ever."""
    return itertools.repeat(b"")


def slow_head(true: bytes) -> Iterator[bytes]:
    """The true reply, byte by byte."""
    return _bytes(true)


def slow_body(true: bytes) -> Iterator[bytes]:
    """The head at once, then a body with no end, byte by byte."""
    yield _unsized(true)
    yield from _bytes(_parts(true)[1])
    yield from itertools.repeat(b" ")


def continues(true: bytes) -> Iterator[bytes]:
    """Interim replies without end (RFC 9110 section 15.2.1)."""
    return itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n")


def hints(true: bytes) -> Iterator[bytes]:
    """Other interim replies without end (RFC 8297)."""
    return itertools.repeat(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")


def headers(true: bytes) -> Iterator[bytes]:
    """Header lines without end."""
    yield b"HTTP/1.1 200 OK\r\n"
    yield from itertools.repeat(b"X-More: 1\r\n")


def one_header(true: bytes) -> Iterator[bytes]:
    """One header line without end."""
    yield b"HTTP/1.1 200 OK\r\nX-Long: "
    yield from itertools.repeat(b"x")


def white_space(true: bytes) -> Iterator[bytes]:
    """White space before a JSON document that never comes."""
    yield _unsized(true)
    yield from itertools.repeat(SPACE)


def white_space_after(true: bytes) -> Iterator[bytes]:
    """The document, then white space without end."""
    yield _unsized(true) + _parts(true)[1]
    yield from itertools.repeat(SPACE)


def chunk_extension(true: bytes) -> Iterator[bytes]:
    """One chunk extension without end (RFC 9112 section 7.1.1)."""
    yield _unsized(true, CHUNKED) + b"1;"
    yield from itertools.repeat(b"x" * 1024)


def chunk_extensions(true: bytes) -> Iterator[bytes]:
    """Chunks of one byte and a long extension each."""
    yield _unsized(true, CHUNKED)
    yield from itertools.repeat(b"1;" + b"x" * 900 + b"\r\n \r\n")


def trailers(true: bytes) -> Iterator[bytes]:
    """The whole body, then trailers without end (RFC 9112 section 7.1.2)."""
    body = _parts(true)[1]
    yield _unsized(true, CHUNKED) + b"%x\r\n%s\r\n0\r\n" % (len(body), body)
    yield from itertools.repeat(b"X-More: 1\r\n" * 1000)


def gzip_bomb(true: bytes) -> Iterator[bytes]:
    """A gzip body of white space without end, a MiB for each KiB that is sent."""
    yield _unsized(true, b"Content-Encoding: gzip")
    yield from itertools.repeat(gzip.compress(b" " * 2**20))


def empty_gzip_members(true: bytes) -> Iterator[bytes]:
    """A gzip body that decodes to nothing, without end."""
    yield _unsized(true, b"Content-Encoding: gzip")
    yield from itertools.repeat(gzip.compress(b"") * 1000)


AT_ONCE: tuple[Speech, ...] = (
    continues,
    hints,
    headers,
    one_header,
    white_space,
    white_space_after,
    chunk_extension,
    chunk_extensions,
    trailers,
    gzip_bomb,
    empty_gzip_members,
)
"""What has no end, as fast as it can be sent."""

SLOWLY: tuple[Speech, ...] = (silence, slow_head, slow_body, *AT_ONCE[:4], chunk_extension)
"""What is sent piece by piece."""
