"""An answer of the service: a stream while it arrives, a value once it is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

from urllib3 import BaseHTTPResponse

from reconciler.live.http.bounds import Term
from reconciler.live.http.faults import Fault, MappedFaults, NoAnswerError
from reconciler.live.http.numbers import read_number

BODY_LIMIT = 64 * 1024
"""Bytes of a body that are read or drained; beyond it, closing is cheaper than draining."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose body is read, up to `BODY_LIMIT`; ``is_whole`` says that it ended there.

    ``content_type`` is the header's text, empty without one; ``retry_after`` is in seconds;
    ``has_etag`` says that the header ETag was there.
    """

    status: int
    content_type: str = ""
    body: bytes = b""
    is_whole: bool = True
    retry_after: float | None = None
    request_id: str | None = None
    has_etag: bool = False


class Stream:
    """An answer whose headers are there and whose body still arrives; close it.

    Every reading raises `NoAnswerError` when the body breaks off: before its announced length,
    in the middle of a chunk, or because it takes too long; and when it has more than
    so many bytes as its ``term`` says.
    """

    def __init__(
        self,
        response: BaseHTTPResponse,
        *,
        request_id: str,
        retry_after: float | None,
        term: Term,
    ) -> None:
        headers = response.headers
        self.status = response.status
        self.content_type: str = headers.get("Content-Type", "")
        self.is_encoded = "Content-Encoding" in headers
        """Whether the body is sent in another form, such as gzip (RFC 9110 section 8.4)."""
        self.length = None if self.is_encoded else read_number(headers.get("Content-Length"))
        """The bytes that the header announces; None where it says nothing of the decoded body."""
        self.retry_after = retry_after
        self.request_id = request_id
        self._response = response
        self._term = term
        self._room = term.size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_throttled(self) -> bool:
        """Whether it asks for fewer requests: 429, or 503 with Retry-After (RFC 9110 15.6.4)."""
        is_busy = self.status == HTTPStatus.SERVICE_UNAVAILABLE and self.retry_after is not None
        return is_busy or self.status == HTTPStatus.TOO_MANY_REQUESTS

    def chunks(self, size: int) -> Iterator[bytes]:
        """The decoded body, in pieces of so many bytes at most."""
        while piece := self._read(size):
            yield piece

    def answer(self) -> Answer:
        """Read the body, up to the limit."""
        is_short = self.length is not None and self.length <= BODY_LIMIT
        # To read all that was announced is one call of urllib3 for two.
        body = self._read(None if is_short else BODY_LIMIT + 1)
        return Answer(
            self.status,
            self.content_type,
            body[:BODY_LIMIT],
            len(body) <= BODY_LIMIT,
            self.retry_after,
            self.request_id,
            "ETag" in self._response.headers,
        )

    def drain(self) -> None:
        """Read the body away, so that the connection can be used again.

        Beyond the limit it stops, and closing will cost the connection.
        """
        if (self.length or 0) > BODY_LIMIT:
            return
        size = 0
        for chunk in self.chunks(BODY_LIMIT):
            size += len(chunk)
            if size > BODY_LIMIT:
                return

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else close it."""
        self._response.close()
        self._response.release_conn()

    def _read(self, size: int | None) -> bytes:
        """So many bytes at most; None for all of it."""
        if not self._term.left():  # one piece that came may decode to thousands
            raise NoAnswerError(Fault.TIMEOUT, request_id=self.request_id)
        with MappedFaults(self.request_id):
            data: bytes = self._response.read(size, decode_content=True)
        # urllib3 checks the announced length itself; this asks it once more at the end, so that
        # a version that does not check cannot make half a body pass for a whole one.
        is_at_end = size is None or not data
        if is_at_end and getattr(self._response, "length_remaining", None):
            raise NoAnswerError(Fault.BROKEN, request_id=self.request_id)
        self._room -= len(data)
        if self._room < 0:
            raise NoAnswerError(Fault.ENDLESS, request_id=self.request_id)
        return data
