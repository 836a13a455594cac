"""Run files of a state folder, by their paths."""

from __future__ import annotations

from pathlib import Path

from reconciler.journal.places.disk import DiskRunFile
from reconciler.journal.reader import RunRecords


def run_records(path: Path, *, measures: bool = False) -> RunRecords:
    """The records of a run file; nothing is read before they are iterated."""
    size = path.stat().st_size if path.exists() else 0
    return RunRecords(DiskRunFile(path, size), measures=measures)
