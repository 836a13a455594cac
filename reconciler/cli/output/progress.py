"""Progress on stderr: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from reconciler.api.listener import THINGS, Unit
from reconciler.cli.output.console import say

_LINE_SECONDS = 10.0
_SHOWN_AFTER = 1.0  # seconds: what is over by then needs no bar
_STEPS_A_SECOND = 10


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
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        _Told(unit),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    shown = _Bar(bar, title)
    try:
        yield shown
    finally:
        shown.close()


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


class _Bar:
    """A bar that shows itself once the step has taken a second."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._title = title
        self._started = self._last = time.monotonic()
        self._lock = threading.Lock()
        self._task = progress.add_task(title, total=None)
        self._is_shown = self._is_over = False

    def close(self) -> None:
        """Take it away; whoever still counts is no longer shown."""
        with self._lock:
            self._is_over = True
        self._progress.stop()

    def update(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        with self._lock:
            if self._is_over or now - self._started < _SHOWN_AFTER:
                return
            if not self._is_shown:
                self._is_shown = True
                self._progress.start()
            if now - self._last < 1 / _STEPS_A_SECOND and done != total:
                return
            self._last = now
        self._progress.update(self._task, completed=done, total=total)


class _Told(TextColumn):
    """``1,200 of 3,400, 310 per second``."""

    def __init__(self, unit: Unit) -> None:
        super().__init__("")
        self._unit = unit

    def render(self, task: Task) -> Text:
        shown = self._unit.shown
        rate = f", {shown(task.speed)} per second" if task.speed else ""
        of = "" if task.total is None else f" of {shown(task.total)}"
        return Text(f"{shown(task.completed)}{of}{rate}")
