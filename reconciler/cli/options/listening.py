"""What is said on the terminal, and in the events, of what a function of the API does."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from reconciler.api.listener import SILENT, THINGS, Listener, Unit, Update
from reconciler.cli.options.events import NO_EVENTS, Events
from reconciler.cli.output.console import report_problems, say, say_last
from reconciler.cli.output.progress import progress
from reconciler.model.address import StoreAddress
from reconciler.model.outcome import InstanceResult, Operation
from reconciler.model.plan import SavedPlan
from reconciler.model.problem import Problem
from reconciler.model.shards.manifest import Manifest
from reconciler.reporting.events import diagnostic_events, result_event, start_event


def beside_document(*, is_on_stdout: bool) -> Listener:
    """Who hears of a step that writes as it goes: nobody where a terminal shows what it writes."""
    return SILENT if is_on_stdout and sys.stdout.isatty() else Console()


class Console(Listener):
    """Says notes once, shows progress, and writes what is an event."""

    def __init__(self, events: Events = NO_EVENTS) -> None:
        self._events = events
        self._said: set[str] = set()

    def note(self, text: str, *, is_last: bool = False) -> None:
        """Say it, at once or at the end; what was said before is not said again."""
        if text not in self._said:
            self._said.add(text)
            (say_last if is_last else say)(text)

    def problems(self, found: Sequence[Problem]) -> None:
        """List them."""
        report_problems(found)
        self._events.emit(diagnostic_events(found))

    def started(
        self,
        operation: Operation,
        run: str,
        planned: int,
        *,
        saved: SavedPlan | Manifest | None = None,
        restores: Sequence[str] = (),
    ) -> None:
        """An event."""
        event = start_event(operation, run, planned, saved=saved, restores=restores)
        self._events.emit([event])

    def result(self, result: InstanceResult) -> None:
        """An event."""
        self._events.emit(map(result_event, (result,)))  # made only where it is written

    @contextmanager
    def step(
        self, title: str, *, unit: Unit = THINGS, store: StoreAddress | None = None
    ) -> Iterator[Update]:
        """Show how far it is; the look at a store is an event too, now and then."""
        with progress(title, unit) as counter:
            yield counter.update if store is None else self._events.probing(store, counter.update)
