"""Progress on stderr: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from reconciler.api.listener import THINGS, Unit
from reconciler.cli.output.console import say

_LINE_SECONDS = 10.0


class Counter(Protocol):
    """What a long step calls as it gets on; from any thread."""

    def update(self, done: int, total: int | None) -> None:
        """Show that ``done`` of ``total`` are through; None is a total that nobody knows."""


@contextmanager
def progress(title: str, unit: Unit = THINGS) -> Iterator[Counter]:
    """Show how far one step has come, how fast it is and how long it will take."""
    if not sys.stderr.isatty():
        yield _Lines(title, unit)
        return
    # Only a terminal shows one.
    from reconciler.cli.output.bar import Bar  # noqa: PLC0415

    bar = Bar(title, unit)
    try:
        yield bar
    finally:
        bar.close()


class _Lines:
    def __init__(self, title: str, unit: Unit) -> None:
        self._title = title
        self._unit = unit
        self._started = self._last = time.monotonic()
        self._lock = threading.Lock()

    def update(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._last < _LINE_SECONDS:
                return
            self._last = now
        rate = done / (now - self._started)
        shown = self._unit.shown
        of, left = "", ""
        if total is not None:
            of = f" of {shown(total)}"
            left = f", {(total - done) / rate:,.0f} s left" if rate else ""
        say(f"{self._title}: {shown(done)}{of}, {shown(rate)} per second{left}")
