"""Files that many workers place in one folder share its fsync, and none is left out of it."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

from reconciler.applying import bag as bag_module
from reconciler.applying.bag import Bag

FILES = 200


def test_every_name_is_on_disk_when_place_returns_and_an_fsync_serves_many(tmp_path, monkeypatch):
    """Seen to fail when a sync that began earlier is taken for enough."""
    synced: list[set[str]] = []

    def sync_slowly(folder):
        if folder.name != "series":
            return
        names = {
            path.name for path in folder.iterdir()
        }  # what an fsync that begins now covers at least
        time.sleep(0.02)  # long enough for all workers to wait, on a busy machine too
        synced.append(names)

    monkeypatch.setattr(bag_module, "sync_folder", sync_slowly)
    bag = Bag(tmp_path, "run")

    def place(number):
        path, descriptor = bag.new_incoming()
        os.close(descriptor)
        name = bag.place(path, f"data/series/{number}.dcm")
        covered = list(synced)
        return any(f"{number}.dcm" in names for names in covered), name

    with ThreadPoolExecutor(16) as pool:
        placed = list(pool.map(place, range(FILES)))
    assert all(on_disk for on_disk, _ in placed)
    assert len(synced) < FILES / 2
