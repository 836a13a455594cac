"""An answer before it is sent, and the error bodies of the Healthcare API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from reconciler.emulator.settings import ErrorShape

JSON = "application/json; charset=UTF-8"
DICOM_JSON = "application/dicom+json"
_BOUNDARY = "dicom-part-boundary"

_STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    406: "INVALID_ARGUMENT",
    408: "DEADLINE_EXCEEDED",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


@dataclass(frozen=True, slots=True)
class FilePiece:
    """A part of a body that is so many bytes of a file from ``offset`` on, read when it is sent."""

    path: Path
    size: int
    offset: int = 0

    def part(self, start: int, size: int) -> FilePiece:
        """So many bytes of it, as far as it has them."""
        return FilePiece(self.path, max(0, min(size, self.size - start)), self.offset + start)


@dataclass(frozen=True, slots=True)
class MadePiece:
    """A part of a body that is made when it is sent, in a thread; it has ``size`` bytes.

    ``make`` raises `ApiError` where it cannot; the body breaks off then.
    """

    size: int
    make: Callable[[], bytes]


Piece = bytes | FilePiece | MadePiece
Part = tuple[str, tuple[Piece, ...]]
"""The content type of a part of a multipart body, and its content."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a request is answered with; ``changed`` says whether a store was changed for it."""

    status: int
    content_type: str | None = None
    pieces: tuple[Piece, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    changed: bool = False

    @property
    def length(self) -> int:
        """The size of the body in bytes."""
        return sum(len(one) if isinstance(one, bytes) else one.size for one in self.pieces)


class ApiError(Exception):
    """A request that is answered with an error; ``message`` holds no patient data."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def json_answer(document: object, *, status: int = 200, changed: bool = False) -> Response:
    """An answer of the API's own JSON."""
    body = json.dumps(document, ensure_ascii=False).encode()
    return Response(status, JSON, (body,), changed=changed)


def multipart_answer(media_type: str, parts: Iterable[Part]) -> Response:
    """An answer of parts, each with its own content type (RFC 2046 section 5.1); no preamble."""
    content_type = f'multipart/related; type="{media_type}"; boundary={_BOUNDARY}'
    return Response(200, content_type, tuple(_multipart(parts)))


def _multipart(parts: Iterable[Part]) -> Iterator[Piece]:
    for content_type, pieces in parts:
        yield f"--{_BOUNDARY}\r\nContent-Type: {content_type}\r\n\r\n".encode()
        yield from pieces
        yield b"\r\n"
    yield f"--{_BOUNDARY}--\r\n".encode()


def error_answer(
    status: int, message: str, shape: ErrorShape, *, retry_after: int | None = None
) -> Response:
    """An error in the API's words, with the headers that belong to its status."""
    headers = {}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/"'
    body = json.dumps(_error_document(status, message, shape)).encode()
    return Response(status, JSON, (body,), headers)


def _error_document(status: int, message: str, shape: ErrorShape) -> object:
    name = _STATUS_NAMES.get(status, "UNKNOWN")
    error = {"error": {"code": status, "message": message, "status": name}}
    match shape:
        case ErrorShape.OBJECT:
            return error
        case ErrorShape.ARRAY:
            return [error]
        case ErrorShape.STRING:
            return message
