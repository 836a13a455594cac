"""Reads a DICOM file (PS3.10) for what the store keeps about it."""

from __future__ import annotations

import codecs
import struct
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydicom import Dataset
from pydicom.charset import python_encoding
from pydicom.errors import BytesLengthException, InvalidDicomError

from reconciler.emulator.storage.bulk_data import PIXEL_DATA, place_of
from reconciler.emulator.storage.dicom_json import (
    JsonDataset,
    dataset_to_json,
    first_value,
    json_text,
)
from reconciler.emulator.storage.elements import Element, read_before
from reconciler.emulator.storage.tags import (
    IMAGE_TYPE,
    INSTANCE_ROW,
    SEARCHABLE,
    SERIES_INSTANCE_UID,
    SERIES_ROW,
    STUDY_INSTANCE_UID,
    STUDY_ROW,
)
from reconciler.model.address import InstanceAddress, StoreAddress, checked_uid

_VRS_OF_PIXELS = dict(zip(PIXEL_DATA, ("OW", "OF", "OD"), strict=True))
"""Those of Implicit VR (PS3.6)."""
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

for _encoding in python_encoding.values():
    codecs.lookup(_encoding)  # imports it, which the threads that parse must not do at once


class NotDicomError(Exception):
    """The bytes are no DICOM file that a store can keep; the message holds no patient data."""


class Rows(NamedTuple):
    """The rows of an instance, its series and its study in search results, as JSON texts.

    They are made when an instance is stored, so that a search need not.
    ``listing_row`` also has Study and Series Instance UID, and Image Type, which reconciler asks
    for where it lists instances.
    """

    study_row: str
    series_row: str
    instance_row: str
    listing_row: str


@dataclass(frozen=True, slots=True)
class ParsedInstance:
    """What a store keeps about an instance, apart from the file itself.

    ``size`` is that of the file in bytes; ``metadata`` the dataset in the DICOM JSON Model without
    bulk data; ``search_keys`` the values of the searchable attributes, by keyword, empty where
    there is none.
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
        with _ONE_AT_A_TIME:
            dataset, pixel_data = read_before(path, *PIXEL_DATA)
            return _parsed(dataset, pixel_data, path.stat().st_size, store)
    except InvalidDicomError as error:
        raise NotDicomError("not a DICOM file") from error
    except _UNREADABLE as error:
        raise NotDicomError("a DICOM file that cannot be read") from error


def _parsed(
    dataset: Dataset, pixel_data: Element | None, size: int, store: StoreAddress
) -> ParsedInstance:
    uids = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
    address = InstanceAddress(*(checked_uid(str(uid)) for uid in uids))
    bulk_data = f"/v1/{store}/dicomWeb{address}/bulkdata"
    metadata = dataset_to_json(dataset, bulk_data)
    if pixel_data is not None:
        metadata[f"{pixel_data.tag:08X}"] = {
            "vr": pixel_data.vr or _VRS_OF_PIXELS[pixel_data.tag],
            "BulkDataURI": f"{bulk_data}/{place_of(pixel_data.tag)}",
        }
    return ParsedInstance(
        address,
        str(dataset.SOPClassUID),
        str(dataset.file_meta.TransferSyntaxUID),
        size,
        json_text(metadata),
        _rows_of(metadata),
        {keyword: first_value(metadata, tag) for keyword, tag in SEARCHABLE.items()},
    )


def _rows_of(metadata: JsonDataset) -> Rows:
    """Make the rows from a dataset."""
    return Rows(
        study_row=json_text(selected(metadata, STUDY_ROW)),
        series_row=json_text(selected(metadata, SERIES_ROW)),
        instance_row=json_text(selected(metadata, INSTANCE_ROW)),
        listing_row=json_text(
            selected(metadata, (IMAGE_TYPE, *INSTANCE_ROW, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID))
        ),
    )


def selected(metadata: JsonDataset, tags: Iterable[str]) -> JsonDataset:
    """The attributes with these tags, as far as they are there."""
    return {tag: metadata[tag] for tag in tags if tag in metadata}
