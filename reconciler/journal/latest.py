"""The head of the latest run, found without reading its whole file."""

from __future__ import annotations

from pathlib import Path

from reconciler.journal.chain import fields_of, hash_of
from reconciler.journal.folder import RUN_SUFFIX, readings_folder, runs_folder

_TAIL = 1 << 16
"""Bytes; few lines but a first one come near it."""


def latest_reading(folder: Path) -> str | None:
    """The hash of the last whole line of the latest plan or query, for the next run to name.

    Runs are named after their start, so the latest is the last by name. What cannot be read is
    passed over: this link only helps to see later that a file is missing.
    """
    return _latest(readings_folder(folder))


def latest_run(folder: Path) -> str | None:
    """The same of the latest apply or restore, for those that do not read the history."""
    return _latest(runs_folder(folder))


def _latest(runs: Path) -> str | None:
    try:
        paths = sorted(runs.glob(f"*{RUN_SUFFIX}"), reverse=True)
    except OSError:
        return None
    return next((head for path in paths if (head := head_of(path))), None)


def head_of(path: Path) -> str | None:
    """The hash of the last whole line of a run's file; None without one, or if it is unreadable."""
    tail = _TAIL
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            while True:
                file.seek(max(0, size - tail))
                lines = file.read().splitlines(keepends=True)
                whole = (line for line in reversed(lines) if _is_whole(line))
                if (head := next(map(hash_of, whole), None)) or tail >= size:
                    return head
                tail *= 8
    except OSError:
        return None


def _is_whole(line: bytes) -> bool:
    try:
        return fields_of(line) is not None
    except ValueError:
        return False
