"""One rendered image of a series, as a store made it: it shows a patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.address import SeriesAddress, StoreAddress

MOST_THUMBNAILS = 200
"""A page with more of them is slow to open."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """An image, ``image/jpeg`` or ``image/png``; empty where ``problem`` says why there is none."""

    media_type: str = ""
    data: bytes = b""
    problem: str = ""


Thumbnails = Mapping[tuple[StoreAddress, SeriesAddress], Thumbnail]
