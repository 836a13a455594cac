"""RetrieveRendered (PS3.18 section 10.4.1.1.3): the first frame as an image.

pydicom decodes with numpy, and Pillow writes the image; both may be missing, and not every
transfer syntax can be decoded with what is installed: each of these is an error answer.
"""

from __future__ import annotations

import asyncio
import io
from importlib import import_module
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array

from reconciler.emulator.answer import Answer, ApiError
from reconciler.emulator.call import Call
from reconciler.emulator.negotiation import media_ranges

_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "*/*": "JPEG", "image/*": "JPEG"}
_CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png"}


async def retrieve_rendered(call: Call) -> Answer:
    """Answer an instance's first frame as JPEG, or as PNG where that is asked for."""
    (instance,) = call.instances()
    asked = [_FORMATS.get(media_range.media_type) for media_range in media_ranges(call.accept)]
    image_format = next(filter(None, asked), None)
    if image_format is None:
        raise ApiError(406, "Rendered instances are available as image/jpeg and image/png.")
    path = call.service.storage.path(call.store, instance)
    image = await asyncio.to_thread(render, path, image_format)
    return Answer(200, _CONTENT_TYPES[image_format], (image,))


def render(path: Path, image_format: str) -> bytes:
    """The first frame of a file as ``JPEG`` or ``PNG``.

    Raises:
        ApiError: 406 without Pillow or numpy, 400 where the pixel data cannot be decoded.
    """
    try:
        images = import_module("PIL.Image")
        pixels = _pixels(path)
    except ImportError as error:
        raise ApiError(406, "Rendering needs Pillow and numpy, which are not installed.") from error
    except (AttributeError, KeyError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ApiError(400, "The instance has no pixel data that can be rendered.") from error
    image = io.BytesIO()
    images.fromarray(_in_eight_bits(pixels)).save(image, image_format)
    return image.getvalue()


def _pixels(path: Path) -> Any:
    """The first frame as it is meant to be seen, in any range of values."""
    dataset = dcmread(path, stop_before_pixels=True)
    deflated = dataset.file_meta.TransferSyntaxUID.is_deflated  # only readable as a whole
    frame = pixel_array(dcmread(path) if deflated else path, index=0)
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
