"""One rendered image of a series, as a store made it: it shows a patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from reconciler.model.address import SeriesAddress, StoreAddress

MOST_THUMBNAILS = 200
"""A page with more of them is slow to open."""

_MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """An image, ``image/jpeg`` or ``image/png``; empty where ``problem`` says why there is none."""

    media_type: str = ""
    data: bytes = b""
    problem: str = ""

    @classmethod
    def of(cls, data: bytes) -> Self:
        """An image by what its bytes are, whatever a header says of them."""
        for magic, media_type in _MAGIC.items():
            if data.startswith(magic):
                return cls(media_type, data)
        return cls(problem="neither JPEG nor PNG")


Thumbnails = Mapping[tuple[StoreAddress, SeriesAddress], Thumbnail]
