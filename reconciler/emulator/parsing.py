"""Reads a DICOM file (PS3.10) for what the store keeps about it."""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError

from reconciler.emulator.dicom_json import JsonDataset, dataset_to_json, first_value, json_text
from reconciler.emulator.rows import Rows, rows_of
from reconciler.emulator.tags import SEARCHABLE
from reconciler.model.address import InstanceAddress, StoreAddress

_PIXEL_DATA = "7FE00010"
_ONE_AT_A_TIME = threading.Lock()
"""While pydicom converts to JSON it is strict, in the whole process: another thread would refuse
files that break the standard in small ways."""
_UNREADABLE = (
    AttributeError,
    BytesLengthException,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    TypeError,
    ValueError,
    struct.error,
)
"""What pydicom raises on broken files, beside its own InvalidDicomError."""


class NotDicomError(Exception):
    """The bytes are no DICOM file that a store can keep; the message holds no patient data."""


@dataclass(frozen=True, slots=True)
class ParsedInstance:
    """What a store keeps about an instance, apart from the file itself.

    ``size`` is that of the file in bytes; ``metadata`` the dataset in the DICOM JSON Model without
    bulk data; ``search_keys`` the values of the searchable attributes, by keyword.
    """

    address: InstanceAddress
    sop_class_uid: str
    transfer_syntax_uid: str
    size: int
    metadata: str
    rows: Rows
    search_keys: Mapping[str, str]


def parse_file(path: Path, store: StoreAddress) -> ParsedInstance:
    """Read a file without its pixel data.

    Raises:
        NotDicomError: it is not a DICOM file, or a UID that the store needs is missing.
    """
    try:
        with _ONE_AT_A_TIME, path.open("rb") as file:
            dataset = dcmread(file, stop_before_pixels=True)
            has_pixel_data = file.read(1) != b""
            return _parsed(dataset, path.stat().st_size, store, has_pixel_data=has_pixel_data)
    except InvalidDicomError as error:
        raise NotDicomError("not a DICOM file") from error
    except _UNREADABLE as error:
        raise NotDicomError("a DICOM file that cannot be read") from error


def _parsed(
    dataset: Dataset, size: int, store: StoreAddress, *, has_pixel_data: bool
) -> ParsedInstance:
    address = _address(dataset)
    bulk_data = f"/v1/{store}/dicomWeb{address}/bulkdata"
    metadata = dataset_to_json(dataset, bulk_data)
    if has_pixel_data:
        metadata[_PIXEL_DATA] = {"vr": "OW", "BulkDataURI": f"{bulk_data}/{_PIXEL_DATA}"}
    return ParsedInstance(
        address,
        str(dataset.SOPClassUID),
        str(dataset.file_meta.TransferSyntaxUID),
        size,
        json_text(metadata),
        rows_of(metadata),
        search_keys(metadata),
    )


def _address(dataset: Dataset) -> InstanceAddress:
    return InstanceAddress.from_parameters(
        {
            "studiesId": str(dataset.StudyInstanceUID),
            "seriesId": str(dataset.SeriesInstanceUID),
            "instancesId": str(dataset.SOPInstanceUID),
        }
    )


def search_keys(metadata: JsonDataset) -> dict[str, str]:
    """The values of the searchable attributes, by keyword; empty where there is none."""
    return {keyword: first_value(metadata, tag) for keyword, tag in SEARCHABLE.items()}
