"""Datasets in the DICOM JSON Model (PS3.18 annex F)."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

from pydicom import DataElement, Dataset, config

from reconciler.emulator.storage.bulk_data import is_bulk_data, place_of

JsonDataset = dict[str, dict[str, Any]]
"""Attributes by tag in upper-case hexadecimal, each with ``vr`` and its value."""

_CHARACTER_SET = "00080005"
_LARGEST_SEQUENCE = 1 << 20
"""Bytes, counted in its JSON; the service says "approximately"."""


def dataset_to_json(dataset: Dataset, bulk_data: str) -> JsonDataset:
    """Convert a dataset; bulk data become a URI below ``bulk_data``, by `bulk_data.place_of`.

    Left out are attributes that cannot be converted, since real files hold values that break the
    standard, and sequences of more than 1 MiB, as the service leaves them out.
    """
    with config.strict_reading():
        return _attributes(dataset, bulk_data)


def _attributes(dataset: Dataset, uri: str) -> JsonDataset:
    converted: JsonDataset = {}
    for tag in dataset.keys():  # noqa: SIM118 - a dataset iterates over elements, and fails there
        with contextlib.suppress(Exception):  # pydicom raises whatever a broken value leads to
            attribute = _attribute(dataset[tag], f"{uri}/{place_of(tag)}")
            if attribute is not None:
                converted[f"{tag:08X}"] = attribute
    if _CHARACTER_SET in converted:  # JSON is UTF-8, whatever the file was
        converted[_CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return converted


def _attribute(element: DataElement, uri: str) -> dict[str, Any] | None:
    if is_bulk_data(element):
        return {"vr": element.VR.rpartition(" ")[2], "BulkDataURI": uri}
    if element.VR != "SQ":
        attribute: dict[str, Any] = element.to_json_dict(None, 0)
        return attribute
    items = [_attributes(item, f"{uri}/{number}") for number, item in enumerate(element.value)]
    is_too_large = len(json_text(items)) > _LARGEST_SEQUENCE
    return None if is_too_large else {"vr": "SQ", "Value": items}


def json_text(document: object) -> str:
    """Compact JSON with sorted keys, as annex F.2.2 asks; numbers that JSON lacks become text."""
    try:
        return _dump(document)
    except ValueError:
        return _dump(_without_special_numbers(document))


def _dump(document: object) -> str:
    return json.dumps(
        document, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )


def _without_special_numbers(document: object) -> object:
    match document:
        case dict():
            return {key: _without_special_numbers(value) for key, value in document.items()}
        case list():
            return [_without_special_numbers(value) for value in document]
        case float() if not math.isfinite(document):
            return str(document)
        case _:
            return document


def first_value(dataset: JsonDataset, tag: str) -> str:
    """The first value of an attribute as text; a person name's alphabetic form; else empty."""
    values = dataset.get(tag, {}).get("Value") or [""]
    value = values[0]
    if isinstance(value, dict):
        value = value.get("Alphabetic", "")
    return "" if value is None else str(value)
