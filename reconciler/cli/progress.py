"""Progress on stderr: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reconciler.cli.console import say

_LINE_SECONDS = 10.0


class Counter:
    """What a long step calls as it gets on; from any thread."""

    def update(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` are through."""
        raise NotImplementedError


class _Lines(Counter):
    def __init__(self, title: str) -> None:
        self._title = title
        self._started = self._last = time.monotonic()
        self._lock = threading.Lock()

    def update(self, done: int, total: int) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._last < _LINE_SECONDS:
                return
            self._last = now
        rate = done / (now - self._started)
        say(f"{self._title}: {done:,} of {total:,}, {rate:,.0f} a second")


class _Bar(Counter):
    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=None)

    def update(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total)


@contextmanager
def progress(title: str) -> Iterator[Counter]:
    """Show the progress of one step while the context lasts."""
    if not sys.stderr.isatty():
        yield _Lines(title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar, title)
