"""An answer before it is sent, and the error bodies of the Healthcare API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import assert_never

from reconciler.emulator.settings import ErrorShape

JSON = "application/json; charset=UTF-8"
DICOM_JSON = "application/dicom+json"

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
    """A part of a body that is a whole file, read when it is sent."""

    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with; ``changed`` says whether a store was changed for it."""

    status: int
    content_type: str | None = None
    pieces: tuple[bytes | FilePiece, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    changed: bool = False

    @property
    def length(self) -> int:
        """The size of the body in bytes."""
        return sum(
            piece.size if isinstance(piece, FilePiece) else len(piece) for piece in self.pieces
        )


class ApiError(Exception):
    """A request that is answered with an error; ``message`` holds no patient data."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def json_answer(document: object, *, status: int = 200, changed: bool = False) -> Answer:
    """An answer of the API's own JSON."""
    body = json.dumps(document, ensure_ascii=False).encode()
    return Answer(status, JSON, (body,), changed=changed)


def dicom_json_answer(body: bytes) -> Answer:
    """An answer of datasets in the DICOM JSON Model (PS3.18 annex F)."""
    return Answer(200, DICOM_JSON, (body,))


def error_answer(
    status: int, message: str, shape: ErrorShape, *, retry_after: int | None = None
) -> Answer:
    """An error in the API's words, with the headers that belong to its status."""
    headers = {}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/"'
    body = json.dumps(_error_document(status, message, shape)).encode()
    return Answer(status, JSON, (body,), headers)


def _error_document(status: int, message: str, shape: ErrorShape) -> object:
    error = {
        "error": {
            "code": status,
            "message": message,
            "status": _STATUS_NAMES.get(status, "UNKNOWN"),
        }
    }
    match shape:
        case ErrorShape.OBJECT:
            return error
        case ErrorShape.ARRAY:
            return [error]
        case ErrorShape.STRING:
            return message
        case _:
            assert_never(shape)
