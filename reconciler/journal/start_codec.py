"""What the first records of all kinds of runs have in common, as keys of JSON; both ways."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from reconciler.journal.fields import (
    Fields,
    format_time,
    objects,
    store_of,
    text,
    text_or_none,
    texts,
    time_of,
)
from reconciler.journal.provenance_codec import provenance_of, provenance_to_json
from reconciler.journal.records import FirstRecord
from reconciler.model.address import StoreAddress
from reconciler.model.provenance import Provenance


class Start(TypedDict):
    """The members that every first record has."""

    run: str
    time: datetime
    tool_version: str
    endpoint: str
    stores: tuple[StoreAddress, ...]
    after: tuple[str, ...]
    previous_head: str | None
    previous_reading: str | None
    provenance: Provenance
    format_version: str


def start_to_json(name: str, record: FirstRecord) -> dict[str, object]:
    """The keys of a first record of the type ``name``, without those that are its own."""
    return {
        "type": name,
        "formatVersion": record.format_version,
        "time": format_time(record.time),
        "run": record.run,
        "toolVersion": record.tool_version,
        "endpoint": record.endpoint,
        "stores": [store.as_parameters() for store in record.stores],
        "after": list(record.after),
        "previousHead": record.previous_head,
        "previousReading": record.previous_reading,
        **provenance_to_json(record.provenance),
    }


def start_of(fields: Fields) -> Start:
    """Read what `start_to_json` gives.

    Raises:
        ValueError: a value cannot be what its key says.
    """
    return Start(
        run=text(fields, "run"),
        time=time_of(fields),
        tool_version=text(fields, "toolVersion"),
        endpoint=text(fields, "endpoint"),
        stores=tuple(store_of(store) for store in objects(fields, "stores")),
        after=texts(fields, "after"),
        previous_head=text_or_none(fields, "previousHead"),
        previous_reading=text_or_none(fields, "previousReading"),
        provenance=provenance_of(fields),
        format_version=text(fields, "formatVersion"),
    )
