"""The first signal lets what is in flight end; the second exits."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from reconciler.applying.stopping import Stop
from reconciler.cli.output.console import say
from reconciler.errors import ExitCode
from reconciler.model.outcome import RunState

_EXIT_CODES = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
}


class Signals:
    """Which signal came first, if any."""

    def __init__(self, stop: Stop, say: Callable[[str], None]) -> None:
        self._stop = stop
        self._say = say
        self.exit_code: ExitCode | None = None

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Stop on the first signal, exit on the second; the journal is valid at any moment."""
        code = _EXIT_CODES[signal.Signals(number)]
        if self.exit_code is not None:
            os._exit(code)
        self.exit_code = code
        name = signal.Signals(number).name
        self._stop.request(RunState.INTERRUPTED, f"interrupted by {name}")
        self._say(f"{name}: letting the requests in flight end; a second signal exits at once")


@contextmanager
def stopped_by_signals(stop: Stop, say: Callable[[str], None] = say) -> Iterator[Signals]:
    """Let SIGINT and SIGTERM stop an apply while the context lasts; ``say`` gets that in words."""
    signals = Signals(stop, say)
    before = {number: signal.signal(number, signals.handle) for number in _EXIT_CODES}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
