"""RetrieveRendered of an instance or a frame (PS3.18 section 10.4.1.1.3), as JPEG or PNG.

pydicom decodes with numpy, and Pillow writes the image. What they cannot decode is an error answer.
The parameter ``viewport`` is that of PS3.18 section 8.3.5.1.3.
"""

from __future__ import annotations

import asyncio
import io
import re
from typing import Any, NamedTuple

from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array

from reconciler.emulator.call import Call
from reconciler.emulator.http.answer import ApiError, Response
from reconciler.emulator.http.negotiation import media_ranges
from reconciler.emulator.resources.frames import Image, frame_numbers, open_image, pillow, refusing

_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "*/*": "JPEG", "image/*": "JPEG"}
_CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png"}
_VIEWPORT = re.compile(r"\d{1,9},\d{1,9}(,\d{1,9},\d{1,9},-?\d{1,9},-?\d{1,9})?", re.ASCII)
_LARGEST = 10_000
"""Pixels of width and height: what is asked for is made in memory."""


class Viewport(NamedTuple):
    """``vw,vh`` pixels that show the region ``sx,sy,sw,sh`` of the image; without one, all of it.

    A negative width or height of the region flips it.
    """

    width: int
    height: int
    region: tuple[int, int, int, int] | None = None


async def retrieve_rendered(call: Call) -> Response:
    """Answer one frame, the first unless the path names one."""
    instance = call.only_instance()
    asked = [_FORMATS.get(media_range.media_type) for media_range in media_ranges(call.accept)]
    image_format = next(filter(None, asked), None)
    if image_format is None:
        raise ApiError(406, "Rendered instances are available as image/jpeg and image/png.")
    viewport = _viewport(call)
    images = pillow()

    def rendered() -> bytes:
        with refusing(400, "The instance has no pixel data that can be rendered."):
            return drawn(open_image(call.file(instance)))

    def drawn(image: Image) -> bytes:
        numbers = frame_numbers(call.path.part or "1", image.frames)
        if len(numbers) > 1:
            raise ApiError(400, "An image shows one frame.")
        pixels = _in_eight_bits(_pixels(image, numbers[0]))
        return _written(images.fromarray(pixels), image_format, viewport)

    body = await asyncio.to_thread(rendered)
    return Response(200, _CONTENT_TYPES[image_format], (body,))


def _viewport(call: Call) -> Viewport | None:
    parameters = dict(call.query())
    text = parameters.pop("viewport", None)
    if parameters:
        raise ApiError(400, f"The parameter {min(parameters)!r} is not supported.")
    if text is None:
        return None
    if not _VIEWPORT.fullmatch(text):
        raise ApiError(400, "'viewport' is vw,vh or vw,vh,sx,sy,sw,sh.")
    width, height, *region = (int(word) for word in text.split(","))
    if not (1 <= width <= _LARGEST and 1 <= height <= _LARGEST):
        raise ApiError(400, f"The width and height of 'viewport' lie between 1 and {_LARGEST}.")
    if not region:
        return Viewport(width, height)
    x, y, across, down = region
    return Viewport(width, height, (x, y, across, down))


def _written(image: Any, image_format: str, viewport: Viewport | None) -> bytes:
    shown = image if viewport is None else _seen_through(viewport, image)
    written = io.BytesIO()
    shown.save(written, image_format)
    return written.getvalue()


def _seen_through(viewport: Viewport, image: Any) -> Any:
    """A Pillow image, or the region of it, scaled to fit in its own proportions."""
    x, y, across, down = viewport.region or (0, 0, image.width, image.height)
    right, bottom = min(x + abs(across), image.width), min(y + abs(down), image.height)
    if x >= right or y >= bottom:
        raise ApiError(400, "The region of 'viewport' lies outside of the image.")
    transpose = pillow().Transpose
    image = image.crop((x, y, right, bottom))
    if across < 0:
        image = image.transpose(transpose.FLIP_LEFT_RIGHT)
    if down < 0:
        image = image.transpose(transpose.FLIP_TOP_BOTTOM)
    scale = min(viewport.width / image.width, viewport.height / image.height)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))


def _pixels(image: Image, number: int) -> Any:
    """A frame as it is meant to be seen, in any range of values."""
    dataset = image.dataset
    is_inflated = isinstance(image.pixels.value, bytes)  # and so the dataset has its pixel data
    frame = pixel_array(dataset if is_inflated else image.path, index=number - 1)
    match dataset.get("PhotometricInterpretation"):
        case "PALETTE COLOR":
            return apply_color_lut(frame, dataset)
        case "MONOCHROME1":
            shown = _windowed(frame, dataset)
            return shown.max() - shown
        case "MONOCHROME2":
            return _windowed(frame, dataset)
        case _:
            return frame


def _windowed(frame: Any, dataset: Dataset) -> Any:
    return apply_voi_lut(apply_modality_lut(frame, dataset), dataset)


def _in_eight_bits(pixels: Any) -> Any:
    if pixels.dtype == "uint8":
        return pixels
    lowest = float(pixels.min())
    span = float(pixels.max()) - lowest
    return ((pixels - lowest) * (255 / (span or 1))).astype("uint8")
