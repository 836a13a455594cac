"""What a caller hears while a function is at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from reconciler.model.address import StoreAddress
from reconciler.model.outcome import InstanceResult, Operation
from reconciler.model.plan import SavedPlan
from reconciler.model.problem import Problem
from reconciler.model.shards.manifest import Manifest

Update: TypeAlias = Callable[[int, int | None], None]
"""Takes how much is done, and of how much; None is a total that nobody knows."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What is counted: ``divisor`` of them make one that is shown, with ``suffix`` behind it."""

    divisor: int = 1
    suffix: str = ""

    def shown(self, count: float) -> str:
        """A count as people read it."""
        return f"{count / self.divisor:,.0f}{self.suffix}"


THINGS = Unit()
BYTES = Unit(1_000_000, " MB")


class Listener:
    """Receives progress, notes, warnings and outcomes; the methods of this class do nothing.

    Override the methods that you need. They are called from any thread, possibly at the same
    time. They must not raise: an exception ends the function.

    Example:
        >>> class Progress(reconciler.Listener):
        ...     def progress(self, step: str, done: int, total: int | None) -> None:
        ...         print(f"{step}: {done} of {total}")
        >>> Progress().progress("deleting", 1, 2)
        deleting: 1 of 2
    """

    def progress(self, step: str, done: int, total: int | None) -> None:
        """The progress of a step; ``total`` is None if it is not known."""

    def note(self, text: str, *, is_last: bool = False) -> None:
        """A line for people; ``is_last`` marks what to keep, such as the journal head."""

    def problems(self, found: Sequence[Problem]) -> None:
        """Warnings about input files, which do not make them invalid."""

    def started(
        self,
        operation: Operation,
        run: str,
        planned: int,
        *,
        saved: SavedPlan | Manifest | None = None,
        restores: Sequence[str] = (),
    ) -> None:
        """An apply or a restore of ``planned`` instances begins, under the name ``run``."""

    def result(self, result: InstanceResult) -> None:
        """What became of one instance of an apply or a restore."""

    @contextmanager
    def step(
        self,
        title: str,
        *,
        unit: Unit = THINGS,  # noqa: ARG002 - for what shows it
        store: StoreAddress | None = None,  # noqa: ARG002 - likewise
    ) -> Iterator[Update]:
        """Around a step that counts ``unit``; ``store`` is the one that it asks."""
        yield partial(self.progress, title)


SILENT = Listener()
