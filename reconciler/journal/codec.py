"""Records as JSON objects, both ways, by their classes.

``schemas/journal-record.schema.json`` and ``docs/reference/journal.md`` are made from the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.journal.records import RECORDS, Record
from reconciler.json_codec import Tagged

_CODEC = Tagged("type", RECORDS)


def to_json(record: Record) -> dict[str, object]:
    """The record as a JSON object.

    Raises:
        ValueError: its time has no time zone.
    """
    return _CODEC.write(record)


def from_json(members: Mapping[str, object]) -> Record:
    """Read what `to_json` gives; unknown keys are a later minor version's and are ignored.

    Raises:
        ValueError: it is not a record, or a value cannot be what its key says.
    """
    return _CODEC.read(members)
