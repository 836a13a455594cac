"""The layout of a state folder, which is for its owner's eyes only.

``runs/<run>.jsonl`` are the applies and restores, ``observations/<run>.jsonl`` the plans and the
queries that read image bytes, ``locks/`` the locks, ``delivered/`` what receivers of audit
messages have.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

FOLDER_MODE = 0o700
RUN_SUFFIX = ".jsonl"
_RUN = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,99}")


def is_run_name(text: str) -> bool:
    """Whether ``text`` may be the name of a run, which is also that of its file."""
    return _RUN.fullmatch(text) is not None


def runs_folder(folder: Path) -> Path:
    """Where the runs of a state folder are recorded."""
    return folder / "runs"


def observations_folder(folder: Path) -> Path:
    """Where the runs of a state folder that change no store are recorded."""
    return folder / "observations"


def observation_file(folder: Path, run: str) -> Path:
    """Where one run that changes no store is recorded."""
    return observations_folder(folder) / f"{run}{RUN_SUFFIX}"


def run_file(folder: Path, run: str) -> Path:
    """Where one run is recorded."""
    return runs_folder(folder) / f"{run}{RUN_SUFFIX}"


def locks_folder(folder: Path) -> Path:
    """Where the locks of a state folder are."""
    return folder / "locks"


def delivered_folder(folder: Path) -> Path:
    """Where it is noted what of the record was delivered to whom."""
    return folder / "delivered"


def make_folder(folder: Path) -> None:
    """Create a folder and those above it, on disk when this returns.

    Raises:
        OSError: it cannot be created.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk.

    Raises:
        OSError: it cannot be done.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
