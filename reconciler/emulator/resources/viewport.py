"""The parameter ``viewport`` of rendered resources (PS3.18 section 8.3.5.1.3)."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from reconciler.emulator.http.answer import ApiError
from reconciler.emulator.resources.images import pillow

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


def parse_viewport(text: str) -> Viewport:
    """Read the parameter.

    Raises:
        ApiError: 400 if it is none.
    """
    if not _VIEWPORT.fullmatch(text):
        raise ApiError(400, "'viewport' is vw,vh or vw,vh,sx,sy,sw,sh.")
    width, height, *region = (int(word) for word in text.split(","))
    if not (1 <= width <= _LARGEST and 1 <= height <= _LARGEST):
        raise ApiError(400, f"The width and height of 'viewport' lie between 1 and {_LARGEST}.")
    if not region:
        return Viewport(width, height)
    x, y, across, down = region
    return Viewport(width, height, (x, y, across, down))


def seen_through(viewport: Viewport, image: Any) -> Any:
    """A Pillow image, or the region of it, scaled to fit in its own proportions.

    Raises:
        ApiError: 400 if the region has nothing of the image.
    """
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
