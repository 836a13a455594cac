"""What applies a shard must know, whichever process it is in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.api import machine
from reconciler.api.service import Service, provider_of
from reconciler.journal.places.bucket import BucketState
from reconciler.journal.places.disk import DiskState
from reconciler.journal.state import State
from reconciler.model.address import Provider
from reconciler.model.outcome import InstanceResult, Outcome
from reconciler.model.patient import PatientKey
from reconciler.model.provenance import Requester
from reconciler.model.shards.manifest import Manifest
from reconciler.objects.opening import open_objects
from reconciler.objects.path import AnyPath, open_folder


@dataclass(frozen=True, slots=True)
class Order:
    """A plan in shards that was accepted, and how its shards are to be applied.

    ``folder`` is that of the manifest, and ``state`` the state, each a path or a URL. ``task`` is
    the name of the command; ``settles_all`` is the number of the shard whose run settles what is
    left open in all studies of the stores.
    """

    manifest: Manifest
    folder: str
    state: str
    service: Service
    requester: Requester | None
    task: str
    lease: float
    settles_all: int
    patient_key: PatientKey | None = field(default=None, repr=False)

    @property
    def provider(self) -> Provider:
        """That of the stores."""
        return provider_of(store.store for store in self.manifest.plan.stores)

    def open_folder(self) -> AnyPath:
        """The folder of the manifest."""
        return open_folder(self.folder)

    def open_state(self) -> State:
        """The state, which the process that gave the order was allowed to use."""
        if "://" in self.state:
            return BucketState(open_objects(self.state), machine.now)
        return DiskState(Path(self.state))


@dataclass(frozen=True, slots=True)
class Reports:
    """What hears of a shard as it is applied: as of `Apply`; ``note`` gets lines for people."""

    on_result: Callable[[InstanceResult], None]
    tried: Callable[[Outcome], None]
    note: Callable[[str], None]

    def add(self, result: InstanceResult | Outcome) -> None:
        """Pass on a result, or the outcome of what something was sent for."""
        if isinstance(result, Outcome):
            self.tried(result)
        else:
            self.on_result(result)
