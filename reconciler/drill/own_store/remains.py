"""What a selftest has left in a store: what is there, and what is not proven to be gone."""

from __future__ import annotations

import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from reconciler.drill.own_store.wire_facts import listed_of
from reconciler.errors import LiveError
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress
from reconciler.model.live import Presence

PROOF_SECONDS = 60.0
"""How long the proof that it is gone is waited for: searches lag behind deletions."""

_PROOF_PAUSE = 2.0  # seconds


def find_present(
    store: DicomStore, instances: Collection[InstanceAddress]
) -> frozenset[InstanceAddress]:
    """Those that a retrieve shows; and of those of which it says nothing, the ones listed."""
    looks = look_at(store, instances)
    present = frozenset(one for one, seen in looks.items() if seen is Presence.PRESENT)
    unknown = {one for one, seen in looks.items() if seen is Presence.UNKNOWN}
    try:
        return present | listed_of(store, unknown)
    except LiveError:
        return present


def find_unproven(
    store: DicomStore, instances: Collection[InstanceAddress]
) -> frozenset[InstanceAddress]:
    """Those that are not confirmed to be absent; what is only unknown is looked at for a while."""
    deadline = time.monotonic() + PROOF_SECONDS
    looks = look_at(store, instances)
    while Presence.UNKNOWN in looks.values() and time.monotonic() < deadline:
        time.sleep(_PROOF_PAUSE)
        looks = look_at(store, instances)
    return frozenset(one for one, seen in looks.items() if seen is not Presence.ABSENT)


def look_at(
    store: DicomStore, instances: Collection[InstanceAddress]
) -> dict[InstanceAddress, Presence]:
    """What a retrieve says of each; an absence must be confirmed by what the store says now."""

    def look(instance: InstanceAddress) -> Presence:
        seen = store.probe(instance)
        return store.confirmed(instance, seen, since=time.monotonic()).presence

    if not instances:
        return {}
    with ThreadPoolExecutor(len(instances)) as pool:
        return dict(zip(instances, pool.map(look, instances), strict=True))
