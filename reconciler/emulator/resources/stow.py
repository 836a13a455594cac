"""StoreInstances (STOW-RS, PS3.18 section 10.5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus
from pathlib import Path

from aiohttp import BodyPartReader, MultipartReader

from reconciler.emulator.call import Call
from reconciler.emulator.http.answer import DICOM_JSON, ApiError, Response
from reconciler.emulator.storage.dicom_json import JsonDataset, json_text
from reconciler.emulator.storage.parsing import NotDicomError, ParsedInstance, parse_file
from reconciler.emulator.storage.store import AlreadyStoredError

_CHUNK = 1 << 18


class FailureReason(IntEnum):
    """Failure Reason (0008,1197): PS3.7 annex C and PS3.4 section B.2.3."""

    DUPLICATE_SOP_INSTANCE = 0x0111
    DATA_SET_DOES_NOT_MATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one part; ``instance`` is None where it could not be read."""

    instance: ParsedInstance | None
    failure: FailureReason | None = None


async def store(call: Call) -> Response:
    """Store every part of the body; one that fails does not stop the others."""
    outcomes = [await _store_one(call, arrived) async for arrived in _arrivals(call)]
    if not outcomes:
        raise ApiError(400, "The request body holds no DICOM instance.")
    body = json_text(_response(call, outcomes)).encode()
    changed = any(outcome.failure is None for outcome in outcomes)
    return Response(_status(outcomes), DICOM_JSON, (body,), changed=changed)


async def _arrivals(call: Call) -> AsyncIterator[Path]:
    """The parts of the body as files, each removed again unless the store took it."""
    async for chunks in _parts(call):
        arrived = call.service.storage.files.new_incoming()
        try:
            with arrived.open("wb") as file:
                async for chunk in chunks:
                    file.write(chunk)
            yield arrived
        finally:
            arrived.unlink(missing_ok=True)


async def _parts(call: Call) -> AsyncIterator[AsyncIterator[bytes]]:
    request = call.request
    if request.content_type == "application/dicom":
        yield request.content.iter_chunked(_CHUNK)
        return
    if request.content_type != "multipart/related":
        raise ApiError(415, "The request body is neither multipart/related nor application/dicom.")
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            yield _chunks(part)
    except (ValueError, AssertionError) as error:
        raise ApiError(400, "The multipart request body is malformed.") from error


async def _chunks(part: BodyPartReader | MultipartReader) -> AsyncIterator[bytes]:
    if isinstance(part, MultipartReader):
        raise ApiError(400, "A part of the request body is itself multipart.")
    while chunk := await part.read_chunk(_CHUNK):
        yield chunk


async def _store_one(call: Call, arrived: Path) -> Stored:
    try:
        instance = await asyncio.to_thread(parse_file, arrived, call.path.store)
    except NotDicomError:
        return Stored(None, FailureReason.CANNOT_UNDERSTAND)
    if call.path.uids and instance.address.study_uid != call.path.uids[0]:
        return Stored(instance, FailureReason.DATA_SET_DOES_NOT_MATCH)
    try:
        call.service.storage.add(call.store, [(arrived, instance)])
    except AlreadyStoredError:
        return Stored(instance, FailureReason.DUPLICATE_SOP_INSTANCE)
    return Stored(instance)


def _status(outcomes: list[Stored]) -> int:
    failed = sum(outcome.failure is not None for outcome in outcomes)
    if failed == len(outcomes):
        return HTTPStatus.CONFLICT
    return HTTPStatus.ACCEPTED if failed else HTTPStatus.OK


def _response(call: Call, outcomes: list[Stored]) -> JsonDataset:
    """The Store Instances Response (PS3.18 annex I)."""
    stored = [_item(call, outcome) for outcome in outcomes if outcome.failure is None]
    failed = [_item(call, outcome) for outcome in outcomes if outcome.failure is not None]
    sequences = {"00081199": stored, "00081198": failed}
    return {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items}


def _item(call: Call, outcome: Stored) -> JsonDataset:
    item: JsonDataset = {}
    if outcome.instance is not None:
        address = outcome.instance.address
        item["00081150"] = {"vr": "UI", "Value": [outcome.instance.sop_class_uid]}
        item["00081155"] = {"vr": "UI", "Value": [address.instance_uid]}
        if outcome.failure is None:
            url = f"/v1/{call.path.store}/dicomWeb{address}"
            item["00081190"] = {"vr": "UR", "Value": [url]}
    if outcome.failure is not None:
        item["00081197"] = {"vr": "US", "Value": [outcome.failure.value]}
    return item
