"""What records of many types have in common.

Times are UTC and are written in milliseconds. ``detail`` never holds patient data. What is said
under a field is what the reference and the JSON Schema say of it: `script/reference` reads it here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from reconciler.journal.format import FORMAT_VERSION
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.as_json import as_json
from reconciler.model.provenance import Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The first record of a run, of whatever kind."""

    run: str
    """The name of the run, which is that of its file."""
    time: datetime
    """When it began."""
    tool_version: str
    """The version of reconciler."""
    endpoint: str
    """The origin of the service that is asked; empty where the plan's file was not as it was
    written."""
    stores: tuple[StoreAddress, ...]
    """The stores that the run is about; `store` in its other records is an index into them."""
    after: tuple[str, ...] = ()
    """The runs of its folder that no other run came after when it began. The order of runs never
    rests on a clock."""
    previous_head: str | None = None
    """The head of the latest run in `runs/` before this one, which chains the runs of a state
    folder to each other."""
    previous_observation: str | None = None
    """The head of the latest run in `observations/` before this one."""
    provenance: Provenance = field(default_factory=Provenance)
    """Where the run comes from."""
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
