"""The two places of a record, and what lies in a bucket as a folder has it: by docs/state.md."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reconciler.journal.places.bucket import BucketState
from reconciler.journal.places.disk import DiskState
from reconciler.journal.state import State
from reconciler.objects.disk import Disk


def bucket_state(folder: Path) -> BucketState:
    """State in a bucket, which is a folder by the bucket's protocol."""
    folder.mkdir(exist_ok=True)
    return BucketState(Disk(folder), lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Place:
    """A place of a record; ``folder`` is what lies there on this machine."""

    kind: str
    folder: Path

    @property
    def state(self) -> State:
        return DiskState(self.folder) if self.kind == "disk" else bucket_state(self.folder)

    def file(self, run: str, folder: str = "runs") -> Path:
        """The record of a run as a file of a state folder."""
        if self.kind == "disk":
            return self.folder / folder / f"{run}.jsonl"
        target = self.folder.parent / "joined" / folder / f"{run}.jsonl"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"".join(map(gzip.decompress, self.objects(run, folder))))
        return target

    def objects(self, run: str, folder: str = "runs") -> list[bytes]:
        """The objects of a run, whose numbers must have no gap."""
        paths = sorted((self.folder / folder / run).iterdir())
        assert [path.name for path in paths] == [f"{number:08}" for number in range(len(paths))]
        return [path.read_bytes() for path in paths]
