"""The rows of search results, made when an instance is stored so that a search need not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reconciler.emulator.storage.dicom_json import JsonDataset, json_text
from reconciler.emulator.storage.tags import (
    INSTANCE_ROW,
    SERIES_INSTANCE_UID,
    SERIES_ROW,
    STUDY_INSTANCE_UID,
    STUDY_ROW,
)


class Rows(NamedTuple):
    """The rows of an instance, its series and its study, as JSON texts.

    ``instance_row_with_uids`` also has Study and Series Instance UID, which searches above the
    level of the series ask for.
    """

    study_row: str
    series_row: str
    instance_row: str
    instance_row_with_uids: str


def rows_of(metadata: JsonDataset) -> Rows:
    """Make the rows from a dataset."""
    return Rows(
        study_row=json_text(selected(metadata, STUDY_ROW)),
        series_row=json_text(selected(metadata, SERIES_ROW)),
        instance_row=json_text(selected(metadata, INSTANCE_ROW)),
        instance_row_with_uids=json_text(
            selected(metadata, (*INSTANCE_ROW, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID))
        ),
    )


def selected(metadata: JsonDataset, tags: Iterable[str]) -> JsonDataset:
    """The attributes with these tags, as far as they are there."""
    return {tag: metadata[tag] for tag in tags if tag in metadata}
