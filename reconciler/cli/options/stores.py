"""The store that a command line or a query names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reconciler.desired.load import stores_of
from reconciler.errors import UsageError
from reconciler.model.address import StoreAddress


def parse_store(text: str) -> StoreAddress:
    """Read the STORE of a command line.

    Raises:
        UsageError: it is not the address of a store.
    """
    try:
        return StoreAddress.parse(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not the address of a DICOM store",
            hint="projects/P/locations/L/datasets/D/dicomStores/S, or the same after orthanc:",
        ) from error


def find_store(store: StoreAddress, specs: Sequence[Path], root: Path) -> StoreAddress:
    """The store as the specs know it by its four parameters, with its provider; else Google's.

    Raises:
        DesiredStateError: a file of the specs is invalid.
    """
    for known in stores_of(specs, root=root):
        if replace(known, provider=store.provider) == store:
            return known
    return store
