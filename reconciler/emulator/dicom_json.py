"""Datasets in the DICOM JSON Model (PS3.18 annex F)."""

from __future__ import annotations

import json
import math
from typing import Any

from pydicom import DataElement, Dataset

JsonDataset = dict[str, dict[str, Any]]
"""Attributes by tag in upper-case hexadecimal, each with ``vr`` and its value."""

_BULK_DATA_THRESHOLD = 1024
"""Binary values above so many bytes are left out."""
_CHARACTER_SET = "00080005"


def dataset_to_json(dataset: Dataset, bulk_data: str) -> JsonDataset:
    """Convert a dataset; large binary values become a URI below ``bulk_data``.

    Attributes that cannot be converted are left out: real files hold values that break the
    standard.
    """

    def uri(element: DataElement) -> str:
        return f"{bulk_data}/{element.tag.json_key}"

    converted: JsonDataset = dataset.to_json_dict(
        bulk_data_threshold=_BULK_DATA_THRESHOLD,
        bulk_data_element_handler=uri,
        suppress_invalid_tags=True,
    )
    if _CHARACTER_SET in converted:  # JSON is UTF-8, whatever the file was
        converted[_CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return converted


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
