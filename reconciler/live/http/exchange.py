"""Connections on which a reply belongs to its request.

HTTP/1.1 does not say which request a reply answers: it is the next one on the connection (RFC 9112
section 9.2). One reply too many, such as a duplicate of a proxy, would be read as the reply to the
next request. So where a reply ends, and where a connection is taken for the next request, nothing
more may have arrived. If something has, the connection is closed, the reply that it follows is not
believed, and from then on every request has a connection of its own.

Every byte of a reply passes through `_Wire`, which waits no longer than the `Term` of the reply.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import threading
import time
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, cast

from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.util.wait import wait_for_read

from reconciler.live.http.bounds import EndlessError, Term
from reconciler.live.http.numbers import read_number

_INFORMATIONAL = range(100, 200)
_WITHOUT_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})

_FIELD = re.compile(r"(?m)^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)\r?$")
"""A header of one line (RFC 9112 section 5)."""
_END = frozenset({b"\r\n", b"\n", b""})

_LONGEST_CHUNK_LINE = 1024
"""Bytes of a chunk's size and extensions; the latter mean nothing here."""
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")


_term: ContextVar[Term] = ContextVar("term")
"""Of the request that this thread sends: `requests` and urllib3 hand nothing through."""


class AnsweredWithin:
    """Holds the replies to what is sent in its block to a term."""

    __slots__ = ("_term", "_token")

    def __init__(self, term: Term) -> None:
        self._term = term

    def __enter__(self) -> None:
        self._token = _term.set(self._term)

    def __exit__(self, *_: object) -> None:
        _term.reset(self._token)


class UnaskedError(http.client.HTTPException):
    """Bytes followed a reply that nobody had asked for."""


class _Lean(HTTPConnection):
    """What urllib3 does for a request and its reply, without what is of no use here."""

    # That of urllib3 looks at each value for the mark of a header that is to be left out.
    putheader = http.client.HTTPConnection.putheader

    def request(self, method: str, url: str, body: Any = None, **options: Any) -> None:  # type: ignore[override]  # as urllib3 calls it
        """Send a request. Of one without a body, urllib3 would work out how long it is."""
        if body is not None:
            super().request(method, url, body, **options)
            return
        # It fits into the buffer of the socket: the timeout that this has is as good as another.
        headers = options["headers"]
        self.putrequest(method, url, skip_accept_encoding="Accept-Encoding" in headers)
        for name, value in headers.items():
            self.putheader(name, value)
        self.endheaders()

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3's own
        """The next reply. urllib3 would look over its headers once more, and copy them."""
        _set_timeout(self.sock, self.timeout)
        reply: Any = http.client.HTTPConnection.getresponse(self)
        return HTTPResponse(
            reply,
            reply.headers,
            reply.status,
            version=reply.version,
            reason=reply.reason,
            preload_content=False,
            decode_content=False,
            original_response=reply,
            request_method=reply.method,
        )


def connections_of(
    base: type[HTTPConnection], doubt: threading.Event, *, reuse: bool
) -> type[HTTPConnection]:
    """The class of urllib3's connections, with these checks.

    ``doubt`` is set where unexpected bytes arrived; while it is set, and without
    ``reuse``, no connection is used twice.
    """

    class Connection(_Lean, base):  # type: ignore[misc,valid-type]  # the base is that of the scheme or proxy
        """One connection of the pool."""

        def response_class(self, sock: socket.socket, *args: Any, **options: Any) -> Reply:  # type: ignore[override]  # a class, there
            """What `http.client` makes of the next reply."""
            return Reply(sock, *args, doubt=doubt, term=_term.get(), **options)

        @property
        def is_connected(self) -> bool:
            """Whether it may be used once more; urllib3 asks, and closes it if not."""
            sock = self.sock
            if sock is None or doubt.is_set() or not reuse:
                return False
            if not wait_for_read(sock, timeout=0):
                return True
            if _has_arrived(sock):
                doubt.set()
            return False

    return cast(type[HTTPConnection], Connection)


class _Wire(io.RawIOBase):
    """The bytes of one reply as they arrive; ``file`` keeps the socket open, as `makefile` does.

    Reading raises `TimeoutError` when the term is over, `EndlessError` when more has come than
    `allow` said.
    """

    def __init__(self, sock: socket.socket, file: io.RawIOBase, term: Term) -> None:
        super().__init__()
        self._sock = sock
        self._file = file
        self._term = term
        self._room = term.head_size

    def readable(self) -> bool:
        """It is, for `io.BufferedReader`."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait for the next piece."""
        timeout = self._sock.gettimeout()
        try:
            count = self._wait(buffer)
        finally:
            _set_timeout(self._sock, timeout)
        self._room -= count
        if self._room < 0:
            raise EndlessError("more arrived than any answer has")
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The file that `http.client` asks its socket for."""
        return io.BufferedReader(self)

    def allow(self, size: int) -> None:
        """Let so many bytes arrive from now on."""
        self._room = size

    def disregard(self, size: int) -> None:
        """Take so many bytes that arrived for no progress."""
        self._term.note(0.0, -size)

    def close(self) -> None:
        """Give the socket back."""
        self._file.close()
        super().close()

    def _wait(self, buffer: Any) -> int:
        while left := self._term.left():
            _set_timeout(self._sock, left)
            began = time.monotonic()
            try:
                count = self._sock.recv_into(buffer)
            except TimeoutError:
                self._term.note(time.monotonic() - began, 0)
            else:
                self._term.note(time.monotonic() - began, count)
                return count
        raise TimeoutError("the answer did not end in time")


class Reply(http.client.HTTPResponse):
    """A reply that ends within its term, and raises `UnaskedError` if anything follows it."""

    def __init__(
        self, sock: socket.socket, *args: Any, doubt: threading.Event, term: Term, **options: Any
    ) -> None:
        self._term = term
        self._wire = _Wire(sock, sock.makefile("rb", buffering=0), term)
        super().__init__(self._wire, *args, **options)  # type: ignore[arg-type]  # asked for its file
        self._sock = sock
        self._doubt = doubt
        self._is_left = False
        self.method = options["method"]

    def begin(self) -> None:
        """Read the headers, and what they say of the length (RFC 9112 section 6.3).

        A reply with two sorts of length is the last one; one whose length is no number is none.
        `http.client` has a parser of mail read them: that alone takes a tenth of a request's CPU.
        """
        version, self.status, reason = self._read_status()
        if not version.startswith("HTTP/1."):
            raise http.client.UnknownProtocol(version)
        self.version = 10 if version == "HTTP/1.0" else 11
        self.reason = reason.strip()
        headers = _read_headers(self.fp)
        self.headers = self.msg = headers  # type: ignore[assignment]  # as urllib3 has them
        self._wire.allow(self._term.size)
        self._term.begin_body()
        self.chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        lengths = {read_number(one.strip()) for one in headers.getlist("content-length")}
        if not self.chunked and (len(lengths) > 1 or None in lengths):
            raise http.client.HTTPException("the length of the reply is not a number")
        length = None if self.chunked else next(iter(lengths), None)
        is_empty = self.status in _WITHOUT_BODY or self.method == "HEAD"
        self.length = 0 if is_empty else length
        is_last = bool(lengths) if self.chunked else self.length is None
        self.will_close = is_last or self._check_close()  # type: ignore[attr-defined]  # not in typeshed

    def close(self) -> None:
        """Leave the reply, and with it the connection, wherever it has been read to.

        One that was read to its end has nothing left to close, and its connection may be another
        thread's by now, which closes this reply with it: both at once would fail.
        """
        self._is_left = True
        if not self.isclosed():
            super().close()

    def _read_status(self) -> tuple[str, int, str]:
        """The status line of the reply, and not of an interim response before it (RFC 9110, 15.2).

        `http.client` knows 100 alone, and takes 103 for the reply.
        """
        while True:
            status: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # not in typeshed
            if status[1] not in _INFORMATIONAL:
                return status
            http.client.parse_headers(self.fp)

    def _read_next_chunk_size(self) -> int:
        """The size of the next chunk (RFC 9112 section 7.1); `http.client` also takes -1."""
        line: bytes = self.fp.readline(_LONGEST_CHUNK_LINE + 1)
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise http.client.HTTPException("the size of a chunk is not a number")
        self._wire.disregard(len(line))
        return int(match[1], 16)

    def _read_and_discard_trailer(self) -> None:
        """Pass by the headers after the last chunk."""
        self._wire.allow(self._term.head_size)
        super()._read_and_discard_trailer()  # type: ignore[misc]  # not in typeshed

    def _close_conn(self) -> None:
        """Close the file at the end of the body."""
        follows = not self._is_left and (self._is_read_ahead() or _has_arrived(self._sock))
        super()._close_conn()  # type: ignore[misc]  # not in typeshed
        if follows:
            self._doubt.set()
            raise UnaskedError("unexpected bytes arrived")

    def _is_read_ahead(self) -> bool:
        """Whether more than the reply was read from the socket."""
        file: Any = self.fp
        file.raw.readinto = lambda _: None  # as of a socket that has nothing to give
        return bool(file.peek(1))


def _set_timeout(sock: socket.socket, seconds: float | None) -> None:
    """Where it is another: to set it is a system call, for which a thread gives up the GIL."""
    if sock.gettimeout() != seconds:
        sock.settimeout(seconds)


def _read_headers(file: io.BufferedReader) -> HTTPHeaderDict:
    """The headers of a reply, to the empty line; what is not plain, `http.client` reads."""
    lines = []
    while (line := file.readline()) not in _END:
        lines.append(line)
    if not line:
        raise http.client.HTTPException("the headers broke off")
    fields = _FIELD.findall(b"".join(lines).decode("iso-8859-1"))
    if len(fields) != len(lines):
        fields = http.client.parse_headers(io.BytesIO(b"".join([*lines, line]))).items()
    headers = HTTPHeaderDict()
    for name, value in fields:
        headers.add(name, value)
    return headers


def _has_arrived(sock: socket.socket) -> bool:
    """Whether there are bytes to be read at once, also such as TLS has decrypted already."""
    is_pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
    if not (is_pending or wait_for_read(sock, timeout=0)):
        return False
    timeout = sock.gettimeout()
    sock.settimeout(0)
    try:
        return sock.recv(1) != b""  # nothing: it is closed
    except OSError:  # only what concerns TLS itself; or it broke, as its next user will see
        return False
    finally:
        sock.settimeout(timeout)
