"""Puts an answer on the wire: whole, or broken in one of the ways of `FaultKind`."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from aiohttp import web

from reconciler.emulator.http.answer import (
    DICOM_JSON,
    JSON,
    ApiError,
    FilePiece,
    MadePiece,
    Response,
)

_CHUNK = 1 << 18
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_WORTH_COMPRESSING = 1024
_WORTH_A_THREAD = 1 << 18


async def send(request: web.BaseRequest, answer: Response) -> web.StreamResponse:
    """Send the answer; a small one goes out in one piece."""
    answer = await _compressed(request, answer)
    if answer.length <= _CHUNK:
        body = await _body(answer)
        return web.Response(status=answer.status, headers=_headers(answer), body=body)
    return await _stream(request, answer, answer.length)


async def send_truncated(
    request: web.BaseRequest, answer: Response, body_bytes: int | None
) -> web.StreamResponse:
    """Announce the whole body, send only so many bytes of it (default half), and close."""
    sent = answer.length // 2 if body_bytes is None else min(body_bytes, answer.length)
    response = await _stream(request, answer, sent)
    if request.transport is not None:
        request.transport.close()
    return response


def reset(request: web.BaseRequest) -> web.StreamResponse:
    """Reset the connection (RST); the response that is returned reaches nobody."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        request.transport.abort()
    return web.Response()


async def in_one_piece(answer: Response) -> Response:
    """The same answer, made in full if it is small.

    Raises:
        ApiError: a part of it cannot be made.
    """
    if answer.length > _CHUNK:
        return answer
    return replace(answer, pieces=(await _body(answer),))


def _headers(answer: Response) -> dict[str, str]:
    content_type = {} if answer.content_type is None else {"Content-Type": answer.content_type}
    return {**answer.headers, **content_type}


async def _stream(request: web.BaseRequest, answer: Response, sent: int) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=_headers(answer))
    response.content_length = answer.length
    await response.prepare(request)
    try:
        async for chunk in _chunks(answer):
            await response.write(chunk[:sent])
            sent -= len(chunk)
            if sent <= 0:
                break
    except ApiError:  # too late for an error answer
        return reset(request)
    return response


async def _body(answer: Response) -> bytes:
    return b"".join([chunk async for chunk in _chunks(answer)])


async def _chunks(answer: Response) -> AsyncIterator[bytes]:
    for piece in answer.pieces:
        match piece:
            case FilePiece():
                for chunk in _file_chunks(piece):
                    yield chunk
            case MadePiece():
                yield await asyncio.to_thread(piece.make)
            case _:
                yield piece


def _file_chunks(piece: FilePiece) -> Iterator[bytes]:
    left = piece.size
    with piece.path.open("rb") as file:
        file.seek(piece.offset)
        while chunk := file.read(min(_CHUNK, left)):
            left -= len(chunk)
            yield chunk


async def _compressed(request: web.BaseRequest, answer: Response) -> Response:
    """The answer with gzip, where the client accepts it and the body is text worth it."""
    is_text = answer.content_type in {JSON, DICOM_JSON}
    accepted = "gzip" in request.headers.get("Accept-Encoding", "")
    if not (is_text and accepted and answer.length >= _WORTH_COMPRESSING):
        return answer
    body = await _body(answer)
    if len(body) < _WORTH_A_THREAD:
        packed = gzip.compress(body, 1, mtime=0)
    else:
        packed = await asyncio.to_thread(gzip.compress, body, 1, mtime=0)
    headers = {**answer.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return replace(answer, pieces=(packed,), headers=headers)
