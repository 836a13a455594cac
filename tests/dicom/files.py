"""DICOM files for the tests: pydicom's own, and small ones put together byte by byte."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pydicom
from pydicom.filereader import data_element_generator
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4.50"

CUT_SHORT = {"MR_truncated.dcm", "rtplan_truncated.dcm"}
"""Files of pydicom that are cut short on purpose, and that it reads with what there is."""
INCONSISTENT = {"DICOMDIR-nooffset"}
"""One of which an item is longer than the sequence that holds it; pydicom never compares them."""


def real_files() -> Iterator[tuple[Path, bytes]]:
    """Every file of pydicom's data that pydicom reads to its end, and that says a syntax."""
    with resources.as_file(resources.files("pydicom.data")) as folder:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and path.name not in INCONSISTENT and is_read_by_pydicom(path):
                yield path, path.read_bytes()


def is_read_by_pydicom(path: Path) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(path)
            list(dataset.iterall())
        except Exception:  # noqa: BLE001 - it raises anything
            return False
        return "TransferSyntaxUID" in dataset.file_meta


def top_level(data: bytes, start: int) -> set[int]:
    """Where pydicom finds the ends of the elements of the top level of the dataset there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        is_implicit, is_little = pydicom.dcmread(io.BytesIO(data)).original_encoding
        stream = io.BytesIO(data)
        stream.seek(start)
        elements = data_element_generator(stream, is_implicit, is_little)
        return {stream.tell() for _ in elements}


def file_of(dataset: bytes, syntax: str = EXPLICIT) -> bytes:
    """A file that says no more of itself than its syntax."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    return b"\0" * 128 + b"DICM" + b"\x02\0\x10\0UI" + struct.pack("<H", len(uid)) + uid + dataset


class Writer:
    """Writes elements in one encoding."""

    def __init__(self, *, implicit: bool = False, big: bool = False) -> None:
        self.implicit = implicit
        self.order = ">" if big else "<"

    def tag(self, tag: int, length: int) -> bytes:
        return struct.pack(f"{self.order}HHL", tag >> 16, tag & 0xFFFF, length)

    def element(self, tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
        length = len(value) if length is None else length
        if self.implicit:
            return self.tag(tag, length) + value
        head = struct.pack(f"{self.order}HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
        if vr in EXPLICIT_VR_LENGTH_32:
            return head + struct.pack(f"{self.order}HL", 0, length) + value
        return head + struct.pack(f"{self.order}H", length) + value

    def item(self, content: bytes, *, delimited: bool) -> bytes:
        if not delimited:
            return self.tag(0xFFFEE000, len(content)) + content
        return self.tag(0xFFFEE000, 0xFFFFFFFF) + content + self.tag(0xFFFEE00D, 0)

    def sequence(self, tag: int, items: bytes, *, delimited: bool, vr: str = "SQ") -> bytes:
        if not delimited:
            return self.element(tag, vr, items)
        value = items + self.tag(0xFFFEE0DD, 0)
        return self.element(tag, vr, value, 0xFFFFFFFF)

    def uids(self) -> bytes:
        """The three of the address 1.2, 1.2.3, 1.2.3.4."""
        return (
            self.element(0x00080018, "UI", b"1.2.3.4\0")
            + self.element(0x0020000D, "UI", b"1.2\0")
            + self.element(0x0020000E, "UI", b"1.2.3\0")
        )
