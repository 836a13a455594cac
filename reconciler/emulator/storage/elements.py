"""Where the value of an element lies in a DICOM file, so that it is sent without being loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from reconciler.emulator.http.answer import FilePiece

_UNDEFINED = 0xFFFFFFFF
_HEADER, _LONG_HEADER = 8, 12
"""Bytes of tag, VR and length (PS3.5 section 7.1)."""


@dataclass(frozen=True, slots=True)
class Element:
    """An element of the top level.

    ``value`` is as the file has it; of an encapsulated one (PS3.5 annex A.4), which has no length,
    it reaches to the end of the file. ``vr`` is empty in Implicit VR.
    """

    tag: BaseTag
    vr: str
    value: FilePiece | bytes
    is_encapsulated: bool = False


def read_before(path: Path, *tags: BaseTag) -> tuple[Dataset, Element | None]:
    """What stands before the first of these tags, and that element, unread; None without one.

    Only a deflated file is read whole, since its elements lie nowhere in it.
    """
    seen: list[tuple[BaseTag, str | None, int]] = []

    def is_reached(tag: BaseTag, vr: str | None, length: int) -> bool:
        seen[:] = [(tag, vr, length)]
        return int(tag) >= int(min(tags))

    with path.open("rb") as file:
        dataset = read_partial(file, is_reached)
        begin = file.tell()
    if dataset.file_meta.TransferSyntaxUID.is_deflated:
        return _inflated(path, tags)
    if not seen or seen[0][0] not in tags:
        return dataset, None
    ((tag, vr, length),) = seen
    offset = begin + (_LONG_HEADER if vr in EXPLICIT_VR_LENGTH_32 else _HEADER)
    rest = FilePiece(path, path.stat().st_size, 0).part(offset, path.stat().st_size)
    is_encapsulated = length == _UNDEFINED
    value = rest if is_encapsulated else rest.part(0, length)
    return dataset, Element(tag, vr or "", value, is_encapsulated)


def _inflated(path: Path, tags: tuple[BaseTag, ...]) -> tuple[Dataset, Element | None]:
    dataset = dcmread(path)
    found = next((tag for tag in tags if tag in dataset), None)
    if found is None:
        return dataset, None
    return dataset, Element(found, dataset[found].VR, raw_value(dataset, found))


def raw_value(dataset: Dataset, tag: BaseTag) -> bytes:
    """The bytes of a value as they were encoded; empty where pydicom has decoded them already."""
    value = dataset.get_item(tag).value
    return bytes(value) if isinstance(value, bytes | bytearray) else b""
