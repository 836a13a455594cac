"""What counts as bulk data, as the service defines it, and how its URI names it.

A place is ``GROUP/ELEMENT`` in hexadecimal digits; within a sequence ``GROUP/ELEMENT/ITEM/`` comes
before it, with items counted from 0.
"""

from __future__ import annotations

from pydicom import DataElement
from pydicom.tag import BaseTag, Tag

PIXEL_DATA = (Tag(0x7FE00010), Tag(0x7FE00008), Tag(0x7FE00009))
"""Pixel Data, Float Pixel Data, Double Float Pixel Data: an image has one of them."""

_ALWAYS = {"OB", "OW", "UN", "OB or OW"}
_IF_LONG = {"OD", "OF", "OL", "OV"}
_LONG = 2048
_IF_MANY = {"AT", "FD", "FL", "UL", "US", "SV", "UV"}
_MANY = 512


def is_bulk_data(element: DataElement) -> bool:
    """Whether metadata have a URI in place of the value; an empty one is no bulk data."""
    if element.is_empty:
        return False
    if element.VR in _IF_LONG:
        return element.tag in PIXEL_DATA or len(element.value) > _LONG
    return element.VR in _ALWAYS or (element.VR in _IF_MANY and element.VM > _MANY)


def place_of(tag: BaseTag) -> str:
    """How a tag is written in a place."""
    return f"{tag.group:04X}/{tag.element:04X}"


def parse_place(place: str) -> tuple[list[tuple[BaseTag, int]], BaseTag]:
    """The sequences and items that lead to an element, and its tag."""
    words = place.split("/")
    pairs = zip(words[::3], words[1::3], strict=True)
    *sequences, tag = (Tag(int(group, 16), int(element, 16)) for group, element in pairs)
    return list(zip(sequences, map(int, words[2::3]), strict=True)), tag
