"""The DICOM files of the stores on disk: ``files/STORE/STUDY/SERIES/INSTANCE.dcm``."""

from __future__ import annotations

import contextlib
from itertools import count
from pathlib import Path

from reconciler.model.address import InstanceAddress


class Files:
    """Places and removes files; nothing here is remembered, the index is the authority.

    A file arrives under ``incoming/`` and takes its place by a rename, so that no half file is
    ever served; what an interrupted run left there is removed.
    """

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "files"
        self._incoming = data_dir / "incoming"
        self._names = count()
        self._incoming.mkdir(parents=True, exist_ok=True)
        for leftover in self._incoming.iterdir():
            leftover.unlink()

    def new_incoming(self) -> Path:
        """A path of its own for a file that arrives."""
        return self._incoming / str(next(self._names))

    def path(self, store: int, instance: InstanceAddress) -> Path:
        """Where the file of an instance lies, or would."""
        study, series, uid = instance
        return self._root / str(store) / study / series / f"{uid}.dcm"

    def place(self, arrived: Path, store: int, instance: InstanceAddress) -> None:
        """Give an arrived file its place."""
        place = self.path(store, instance)
        place.parent.mkdir(parents=True, exist_ok=True)
        arrived.rename(place)

    def remove(self, store: int, instance: InstanceAddress) -> None:
        """Remove the file, and the folders that it leaves empty."""
        place = self.path(store, instance)
        place.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty
            place.parent.rmdir()
            place.parent.parent.rmdir()
