"""Say where the record knows a store of the same address at another service."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.api.listener import Listener
from reconciler.model.address import StoreAddress
from reconciler.model.service import Store, store_at


def note_other_services(
    stores: Iterable[StoreAddress], endpoint: str, known: Iterable[Store], listener: Listener
) -> None:
    """Warn of a store that the record knows at another endpoint too, if that is another store.

    ``known`` are the stores on record. Where an address is the user's own label, only the endpoint
    says which store it is. What was done at the other one does not count here.
    """
    for store in stores:
        if store.provider.facts.service:
            continue
        here = store_at(endpoint, store)
        others = sorted(one.service for one in known if one.address == store and one != here)
        if others:
            listener.note(
                f"note: the record knows {store} at {', '.join(others)} too; runs there do not"
                f" count for the store at {endpoint}"
            )
