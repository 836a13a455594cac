"""Say where the record knows a store of the same address at another service."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.cli.output.console import say
from reconciler.journal.latest import known_stores
from reconciler.journal.state import State
from reconciler.model.address import StoreAddress
from reconciler.model.service import store_at


def note_other_services(stores: Iterable[StoreAddress], endpoint: str, state: State) -> None:
    """Warn of a store that the record knows at another endpoint too, if that is another store.

    Where an address is the user's own label, only the endpoint says which store it is. What was
    done at the other one does not count here.
    """
    labelled = [store for store in stores if not store.provider.facts.service]
    known = known_stores(state) if labelled else ()
    for store in labelled:
        here = store_at(endpoint, store)
        others = sorted(one.service for one in known if one.address == store and one != here)
        if others:
            say(
                f"note: the record knows {store} at {', '.join(others)} too; what was done there"
                f" does not count for the one at {endpoint}"
            )
