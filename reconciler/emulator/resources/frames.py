"""The frames of a stored image: where they lie, and how they look decoded.

RetrieveFrames (PS3.18 section 10.4.1.1.6) answers them, one a part.

Those that are not encapsulated are pieces of the file; encapsulated ones (PS3.5 annex A.4) are
given as they are stored, or decoded by pydicom, which needs numpy and for most of them Pillow.
"""

from __future__ import annotations

import asyncio
import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.utils import get_expected_length, get_nr_frames, pixel_array

from reconciler.emulator.call import Call
from reconciler.emulator.http.answer import (
    ApiError,
    FilePiece,
    MadePiece,
    Piece,
    Response,
    multipart_answer,
)
from reconciler.emulator.http.negotiation import EXPLICIT_VR_LITTLE_ENDIAN, chosen_frame_form
from reconciler.emulator.storage.bulk_data import PIXEL_DATA
from reconciler.emulator.storage.elements import Element, read_before

_UNDECODABLE = (AttributeError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError)
"""What pydicom raises where it cannot decode pixel data, or lacks what describes them."""
_FRAME_LIST = re.compile("[0-9]{1,9}(,[0-9]{1,9})*")
_WORDS = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""How `array` calls unsigned numbers of so many bytes."""


@dataclass(frozen=True, slots=True)
class Image:
    """An instance with pixel data; ``dataset`` is what stands before them."""

    path: Path
    dataset: Dataset
    pixels: Element
    frames: int


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


@cache
def pillow() -> Any:
    """Pillow's images with all its plugins, when the first one is decoded or written.

    To be called before the threads that do so: several that import one package at once can fail.
    """
    images = import_module("PIL.Image")
    images.init()
    return images


def open_image(path: Path) -> Image:
    """Look at a file's pixel data without reading them.

    Raises:
        ApiError: 400 if it has none.
    """
    with refusing(400, "The pixel data are not described."):
        dataset, pixels = read_before(path, *PIXEL_DATA)
        if pixels is None:
            raise ApiError(400, "The instance has no pixel data.")
        return Image(path, dataset, pixels, int(get_nr_frames(dataset)))


def frame_numbers(text: str, frames: int) -> list[int]:
    """Read a list of frames, which count from 1.

    Raises:
        ApiError: 400 if it is no such list, or the image has not all of them.
    """
    if not _FRAME_LIST.fullmatch(text):
        raise ApiError(400, "The request path holds no list of frame numbers.")
    numbers = [int(one) for one in text.split(",")]
    if not all(1 <= number <= frames for number in numbers):
        raise ApiError(400, f"The frames of the instance are 1 to {frames}.")
    return numbers


def stored_frames(image: Image, numbers: Sequence[int]) -> list[Piece]:
    """Frames as they are stored.

    Raises:
        ApiError: 400 if the pixel data do not hold them as described.
    """
    with refusing(400, "The pixel data are not as described."):
        if image.pixels.is_encapsulated:
            return [_encapsulated(image, number) for number in numbers]
        return [_native(image, number) for number in numbers]


def decoded_frames(image: Image, numbers: Sequence[int]) -> list[Piece]:
    """Frames uncompressed, in little endian, all but the first decoded when they are sent.

    Raises:
        ApiError: 400 if the pixel data are not as described, 406 if they cannot be decoded.
    """
    if not image.pixels.is_encapsulated:
        frames = stored_frames(image, numbers)
        return frames if image.dataset.original_encoding[1] else _swapped(image, frames)
    first = _decoded(image, numbers[0])
    return [
        first,
        *(MadePiece(len(first), partial(_decoded, image, number)) for number in numbers[1:]),
    ]


def _encapsulated(image: Image, number: int) -> bytes:
    offsets = None
    if "ExtendedOffsetTable" in image.dataset:
        offsets = (image.dataset.ExtendedOffsetTable, image.dataset.ExtendedOffsetTableLengths)
    value = image.pixels.value
    if isinstance(value, bytes):
        return get_frame(value, number - 1, extended_offsets=offsets, number_of_frames=image.frames)
    with image.path.open("rb") as file:
        file.seek(value.offset)
        return get_frame(file, number - 1, extended_offsets=offsets, number_of_frames=image.frames)


def _native(image: Image, number: int) -> Piece:
    size, rest = divmod(get_expected_length(image.dataset), image.frames)
    if rest:
        raise ApiError(406, "Frames that do not begin at a byte are not available.")
    begin = size * (number - 1)
    value = image.pixels.value
    frame = value[begin : begin + size] if isinstance(value, bytes) else value.part(begin, size)
    if (len(frame) if isinstance(frame, bytes) else frame.size) < size:
        raise ApiError(400, "The pixel data are shorter than described.")
    return frame


def _swapped(image: Image, frames: list[Piece]) -> list[Piece]:
    """The same in the other byte order."""
    width = image.dataset.BitsAllocated // 8
    if width <= 1 and image.pixels.vr == "OW":  # of words, although the pixels are bytes
        width = 2
    return [
        MadePiece(frame.size, partial(_swap, frame, _WORDS[max(width, 1)]))
        for frame in frames
        if isinstance(frame, FilePiece)
    ]


def _swap(frame: FilePiece, word: str) -> bytes:
    with frame.path.open("rb") as file:
        file.seek(frame.offset)
        words = array(word, file.read(frame.size))
    words.byteswap()
    return words.tobytes()


def _decoded(image: Image, number: int) -> bytes:
    with refusing(406, "The embedded store cannot decode these pixel data."):
        frame = pixel_array(image.path, index=number - 1, raw=True)
        return bytes(frame.astype(frame.dtype.newbyteorder("<")).tobytes())


@contextmanager
def refusing(status: int, message: str) -> Iterator[None]:
    """Turn what pydicom raises into `ApiError`."""
    try:
        yield
    except _UNDECODABLE as error:
        raise ApiError(status, message) from error
