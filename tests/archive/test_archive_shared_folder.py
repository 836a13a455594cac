"""Files that many workers place in one folder share its fsync, and none is left out of it."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.applying import bag as bag_module
from reconciler.applying.bag import Bag

WORKERS = 16
PATIENCE = 30.0


@pytest.mark.parametrize("attempt", range(3))
def test_every_name_is_on_disk_when_place_returns_and_an_fsync_serves_many(
    tmp_path, monkeypatch, attempt
):
    """Seen to fail when a sync that began earlier is taken for enough."""
    synced: list[set[str]] = []

    def sync_slowly(folder: Path) -> None:
        if folder.name != "series":
            return
        names = {path.name for path in folder.iterdir()}  # what it covers at least
        end = time.monotonic() + PATIENCE
        # Until all workers have named their file, however busy the machine is.
        while len(list(folder.iterdir())) < WORKERS:
            assert time.monotonic() < end
            time.sleep(0.001)
        time.sleep(0.05)
        synced.append(names)

    monkeypatch.setattr(bag_module, "sync_folder", sync_slowly)
    bag = Bag(tmp_path, "run")

    def place(number: int) -> bool:
        path, descriptor = bag.new_incoming()
        os.close(descriptor)
        bag.place(path, f"data/series/{number}.dcm")
        return any(f"{number}.dcm" in names for names in list(synced))

    with ThreadPoolExecutor(WORKERS) as pool:
        placed = list(pool.map(place, range(WORKERS)))
    assert all(placed)
    assert len(synced) <= WORKERS / 2
