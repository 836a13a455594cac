"""Reading a small file that the command line names."""

from __future__ import annotations

from pathlib import Path

from reconciler.errors import UsageError


def read_given(path: Path) -> bytes:
    """What the file holds.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
