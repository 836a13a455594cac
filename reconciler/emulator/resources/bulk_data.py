"""RetrieveBulkdata (PS3.18 section 10.4.1.1.5), at the URIs that metadata have."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydicom import dcmread
from pydicom.tag import BaseTag

from reconciler.emulator.call import Call
from reconciler.emulator.http.answer import ApiError, Piece, Response, multipart_answer
from reconciler.emulator.http.negotiation import OCTET_STREAM, Form, bulk_data_form
from reconciler.emulator.resources.frames import decoded_frames, open_image, pillow
from reconciler.emulator.storage.bulk_data import PIXEL_DATA, parse_place
from reconciler.emulator.storage.elements import raw_value, read_before


async def retrieve_bulk_data(call: Call) -> Response:
    """Answer a value, uncompressed, in the byte order of the file."""
    instance = call.only_instance()
    form = bulk_data_form(call.accept)
    if form is None:
        raise ApiError(406, f"Bulk data are available as {OCTET_STREAM} only, as they are stored.")
    place = call.path.part
    uri = f"/v1/{call.path.store}/dicomWeb{instance.address}/bulkdata/{place}"
    if f'"BulkDataURI":"{uri}"' not in call.service.storage.index.metadata(instance.number):
        raise ApiError(404, "The metadata of the instance have no bulk data there.")
    items, tag = parse_place(place)
    if tag in PIXEL_DATA:
        pillow()
    pieces = await asyncio.to_thread(_value, call.file(instance), items, tag)
    if form is Form.SINGLE_PART:
        return Response(200, OCTET_STREAM, pieces)
    return multipart_answer(OCTET_STREAM, [(OCTET_STREAM, pieces)])


def _value(path: Path, items: list[tuple[BaseTag, int]], tag: BaseTag) -> tuple[Piece, ...]:
    if items:
        dataset = dcmread(path, stop_before_pixels=True)
        for sequence, number in items:
            dataset = dataset[sequence].value[number]
        return (raw_value(dataset, tag),)
    _, element = read_before(path, tag)
    if element is None:
        raise ApiError(404, "The instance has no such bulk data.")
    if element.is_encapsulated and tag in PIXEL_DATA:
        image = open_image(path)
        return tuple(decoded_frames(image, range(1, image.frames + 1)))
    return (element.value,)
