"""How far the reading of the files has come, in bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

ProgressCallback = Callable[[int, int], None]
"""Called with how many bytes are read, and how many are known of so far."""


class ReadProgress:
    """Counts the bytes of files as they are read; inventories once a file has named them."""

    def __init__(self, callback: ProgressCallback | None = None) -> None:
        self._callback = callback
        self._done = 0
        self._total = 0

    def expect(self, file: Path) -> None:
        """Count on a file; one that cannot be found is someone else's problem."""
        try:
            self._total += file.stat().st_size
        except OSError:
            return
        self.read(0)

    def read(self, count: int) -> None:
        """Count bytes that were read."""
        self._done += count
        if self._callback is not None:
            self._callback(self._done, max(self._done, self._total))
