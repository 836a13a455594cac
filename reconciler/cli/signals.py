"""The first signal lets what is in flight end; the second exits."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from reconciler.applying.stopping import Stop
from reconciler.cli.output.console import say
from reconciler.errors import ExitCode

_EXIT_CODES = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
}


class Signals:
    """Which signal came first, if any."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self.exit_code: ExitCode | None = None

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Stop on the first signal, exit on the second; the journal is valid at any moment."""
        code = _EXIT_CODES[signal.Signals(number)]
        if self.exit_code is not None:
            os._exit(code)
        self.exit_code = code
        name = signal.Signals(number).name
        self._stop.interrupt(f"interrupted by {name}", code)
        say(f"{name}: letting the requests in flight end; a second signal exits at once")


@contextmanager
def stopped_by_signals(stop: Stop) -> Iterator[Signals]:
    """Let SIGINT and SIGTERM stop an apply while the context lasts."""
    signals = Signals(stop)
    before = {number: signal.signal(number, signals.handle) for number in _EXIT_CODES}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
