"""What records of many types have in common.

Times are UTC and are written in milliseconds. ``detail`` never holds patient data. What is said
under a field is what the reference and the JSON Schema say of it: `script/reference` reads it here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from secrets import token_hex

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.as_json import as_json
from reconciler.model.provenance import Provenance

FORMAT_VERSION = "1.0"
"""``major.minor``: a minor version may add keys, and in ``observations/`` new types of records.

In ``runs/`` a new type of record is a new major version, since a reader that skips one may miss a
deletion. The records of `read_only` report nothing that changes a store.
"""
_SECRET = re.compile(r"[0-9a-f]{64}")


def _secret(text: str) -> str:
    if not _SECRET.fullmatch(text):
        raise ValueError("not 64 hexadecimal digits")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The first record of a run, of whatever kind."""

    run: str
    """The name of the run, which is that of its file."""
    time: datetime
    """When the run began."""
    tool_version: str
    """The version of reconciler."""
    endpoint: str
    """The origin of the service; empty if the plan file had been modified."""
    stores: tuple[StoreAddress, ...]
    """The stores of the run; `store` in its other records is an index into this array."""
    after: tuple[str, ...] = ()
    """The latest runs of its folder when this one began. The order of runs never depends on a
    clock."""
    previous_head: str | None = None
    """The head of the log of `runs/` when the run began; null if the log was empty."""
    previous_observation: str | None = None
    """The head of the log of `observations/` when the run began."""
    secret: str = field(
        default_factory=partial(token_hex, 32), metadata=as_json(stands_always=True, check=_secret)
    )
    """The salt secret of the run's Merkle tree: 32 random bytes in hexadecimal."""
    provenance: Provenance = field(default_factory=Provenance)
    """The provenance of the run."""
    format_version: str = field(default=FORMAT_VERSION, metadata=as_json(stands_always=True))
    """The version of the journal's format, major and minor."""


@dataclass(frozen=True, slots=True)
class OfStore:
    """A record about something in one store of the run."""

    time: datetime
    """When it was recorded."""
    store: int
    """The store, as an index into those of the run's first record."""


@dataclass(frozen=True, slots=True)
class OfInstance(OfStore):
    """A record about one instance."""

    instance: InstanceAddress
    """The instance."""
