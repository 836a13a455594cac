"""The first signal lets what is in flight end; the second exits."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
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


@contextmanager
def kept_from_children() -> Iterator[None]:
    """Start processes in this context that no SIGINT or SIGTERM reaches: they are stopped by us.

    A terminal and systemd send them to every process. A process inherits what is blocked in the
    thread that starts it, so it is safe from its first moment.
    """
    resource_tracker.ensure_running()  # multiprocessing starts it first, and unblocks both then
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _EXIT_CODES)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
