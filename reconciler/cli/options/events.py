"""``--events FILE``: what happens in a run, a line of JSON each, written as it happens."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import click

from reconciler import __version__
from reconciler.api import machine
from reconciler.api.destination import open_destination
from reconciler.api.listener import Update
from reconciler.cli.options.path_type import PATH
from reconciler.cli.output.console import say
from reconciler.errors import DesiredStateError, ReconcilerError, UsageError
from reconciler.model.address import StoreAddress
from reconciler.model.time import format_time
from reconciler.reporting.events import (
    Event,
    diagnostic_events,
    error_event,
    probe_event,
    version_event,
)

events_option = click.option(
    "--events",
    "events_file",
    type=PATH,
    metavar="FILE",
    help="Write each event to FILE as it happens, one JSON object per line.",
)

_STEPS = 100
"""How often, at most, the progress of the look at a store is reported."""


class Events:
    """Where events go, from any thread; nowhere without a file.

    A file that can no longer be written is said once and then left alone: nothing that is under
    way ends because nobody listens.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._seq = 0

    def emit(self, events: Iterable[Event]) -> None:
        """Write events in their order, and see to it that a reader has them."""
        with self._lock:
            if self._file is None:
                return
            try:
                for event in events:
                    stamp = {"seq": self._seq, "time": format_time(machine.now())}
                    self._file.write(json.dumps({**stamp, **event}) + "\n")
                    self._seq += 1
                self._file.flush()
            except OSError as error:
                self._file = None
                say(f"note: the events cannot be written any more: {error.strerror}")

    def probing(self, store: StoreAddress, then: Update) -> Update:
        """Report the look at a store, now and then, beside ``then``."""
        reported = -1

        def update(done: int, total: int | None) -> None:
            nonlocal reported
            then(done, total)
            step = done * _STEPS // total if total else _STEPS
            if step > reported:
                reported = step
                self.emit([probe_event(store, done, total or 0)])

        return update


NO_EVENTS = Events()


@contextmanager
def opened_events(path: Path | None, command: str) -> Iterator[Events]:
    """Begin the file, and end it with what ends the command.

    Raises:
        UsageError: it cannot be written.
    """
    if path is None:
        yield NO_EVENTS
        return
    try:
        file = open_destination(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    events = Events(file)
    events.emit([version_event(command, __version__)])
    try:
        yield events
    except DesiredStateError as error:
        events.emit(diagnostic_events(error.problems))
        raise
    except ReconcilerError as error:
        events.emit([error_event(str(error), error.hint)])
        raise
    finally:
        with suppress(OSError):
            file.close()
