"""RetrieveFrames (PS3.18 section 10.4.1.1.6): the frames of an image, one a part."""

from __future__ import annotations

import asyncio

from reconciler.emulator.call import Call
from reconciler.emulator.http.answer import ApiError, Piece, Response, multipart_answer
from reconciler.emulator.http.negotiation import EXPLICIT_VR_LITTLE_ENDIAN, chosen_frame_form
from reconciler.emulator.resources.images import (
    decoded_frames,
    frame_numbers,
    open_image,
    pillow,
    stored_frames,
)


async def retrieve_frames(call: Call) -> Response:
    """Answer the frames that the path lists, in its order."""
    instance = call.only_instance()
    form = chosen_frame_form(call.accept, instance.transfer_syntax_uid)
    if form is None:
        raise ApiError(406, "None of the accepted media types and transfer syntaxes is available.")
    if form.decoded:
        pillow()

    def frames() -> list[Piece]:
        image = open_image(call.file(instance))
        numbers = frame_numbers(call.path.part, image.frames)
        return (decoded_frames if form.decoded else stored_frames)(image, numbers)

    syntax = EXPLICIT_VR_LITTLE_ENDIAN if form.decoded else instance.transfer_syntax_uid
    content_type = f"{form.media_type}; transfer-syntax={syntax}"
    pieces = await asyncio.to_thread(frames)
    return multipart_answer(form.media_type, [(content_type, (piece,)) for piece in pieces])
