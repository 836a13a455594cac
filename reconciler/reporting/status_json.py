"""How a project stands, for machines: ``schemas/status.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator

from reconciler.json_codec import codec_of
from reconciler.model.status import Status

FORMAT_VERSION = "1.0"


def status_as_json(status: Status) -> Iterator[str]:
    """One object."""
    document = codec_of(Status).write(status, {"format_version": FORMAT_VERSION})
    document["holds"] = document["holds"] or []
    yield json.dumps(document, indent=2) + "\n"
