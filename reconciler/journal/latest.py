"""The head of the latest run, found without reading all files or a whole one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reconciler.journal.chain import fields_of, hash_of
from reconciler.journal.folder import RUN_SUFFIX, readings_folder, runs_folder

_TAIL = 1 << 16
"""Bytes; few lines but a first one come near it."""
_LOOKED_AT = 100
"""So many runs, the last by name, are looked at: names know only seconds, and clocks step back."""


def latest_reading(folder: Path) -> str | None:
    """The hash of the last whole line of the latest run in ``readings/``, for the next to name.

    What cannot be read is passed over: this link only helps to see later that a file is missing.
    """
    return _latest(readings_folder(folder), "previousReading")


def latest_run(folder: Path) -> str | None:
    """The same of the latest apply or restore, for those that do not read the history."""
    return _latest(runs_folder(folder), "previousHead")


def _latest(runs: Path, link: str) -> str | None:
    """The head that no other run names; of several the latest by time."""
    try:
        paths = sorted(runs.glob(f"*{RUN_SUFFIX}"))[-_LOOKED_AT:]
    except OSError:
        return None
    starts = {path: _start_of(path) for path in paths}
    named = {start.get(link) for start in starts.values()}
    heads = {path: head for path in paths if (head := head_of(path)) and head not in named}
    latest = max(heads, key=lambda path: (str(starts[path].get("time")), path.name), default=None)
    return None if latest is None else heads[latest]


def _start_of(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            return fields_of(file.readline()) or {}
    except (OSError, ValueError):
        return {}


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
