"""The head of the latest run, found without reading its whole file."""

from __future__ import annotations

from pathlib import Path

from reconciler.journal.chain import fields_of, hash_of
from reconciler.journal.folder import RUN_SUFFIX, readings_folder, runs_folder

_TAIL = 1 << 16
"""Bytes; no line of a reading but a plan's first one comes near it."""


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
    return next((head for path in paths if (head := _head_of(path))), None)


def _head_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            lines = file.read().splitlines(keepends=True)
    except OSError:
        return None
    whole = (line for line in reversed(lines) if _is_whole(line))
    return next((hash_of(line) for line in whole), None)


def _is_whole(line: bytes) -> bool:
    try:
        return fields_of(line) is not None
    except ValueError:
        return False
