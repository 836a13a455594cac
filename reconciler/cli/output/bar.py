"""A bar of progress, on a terminal."""

from __future__ import annotations

import threading
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from reconciler.api.listener import Unit

_SHOWN_AFTER = 1.0  # seconds: what is over by then needs no bar
_STEPS_A_SECOND = 10


class Bar:
    """A bar that shows itself once the step has taken a second."""

    def __init__(self, title: str, unit: Unit) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            _Told(unit),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._started = self._last = time.monotonic()
        self._lock = threading.Lock()
        self._task = self._progress.add_task(title, total=None)
        self._is_shown = self._is_over = False

    def close(self) -> None:
        """Take it away; whoever still counts is no longer shown."""
        with self._lock:
            self._is_over = True
        self._progress.stop()

    def update(self, done: int, total: int | None) -> None:
        """As `Counter`."""
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
