"""The real DICOM files that pydicom ships, as content for an embedded store."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

from reconciler.emulator import AlreadyStoredError, Emulator, NotDicomError
from reconciler.model.address import InstanceAddress, StoreAddress


def store_real_files(emulator: Emulator, store: StoreAddress) -> Mapping[str, InstanceAddress]:
    """Store every file of pydicom that a store can keep, by its path below pydicom's data.

    CT, MR, SR, secondary captures, multi-frame and compressed ones; what is broken on purpose or
    repeats a SOP Instance UID is left out.
    """
    stored = {}
    with resources.as_file(resources.files("pydicom.data")) as folder:
        for path in sorted(folder.rglob("*")):
            if not path.is_file() or path.suffix == ".py":
                continue
            try:
                address = emulator.ingest(store, path)
            except (NotDicomError, AlreadyStoredError):
                continue
            stored[path.relative_to(folder).as_posix()] = address
    return stored
