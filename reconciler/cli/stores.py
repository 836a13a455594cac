"""Which provider a store has that a query names: the specs say it, else it is Google's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reconciler.desired.load import stores_of
from reconciler.model.address import StoreAddress


def find_store(store: StoreAddress, specs: Sequence[Path], root: Path) -> StoreAddress:
    """The store as the specs know it by its four parameters, with its provider.

    Raises:
        DesiredStateError: a file of the specs is invalid.
    """
    for known in stores_of(specs, root=root):
        if replace(known, provider=store.provider) == store:
            return known
    return store
