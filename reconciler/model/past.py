"""What the record says of an instance: what moved it last."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model.desired import Reason
from reconciler.model.outcome import Outcome
from reconciler.model.problem import Source


class Removed(NamedTuple):
    """A DELETE of ``run`` removed an instance; ``place`` is that of the run in their order."""

    run: str
    place: int


class PutBack(NamedTuple):
    """``restore`` put an instance back that ``run`` had removed and archived, and proved it.

    ``source`` and ``reason`` are those that the files gave for the removal then. ``is_there`` is
    false where a later run found the instance gone, though no DELETE of ours removed it.
    """

    run: str
    restore: str
    place: int
    outcome: Outcome
    source: Source
    reason: Reason
    is_there: bool = True


LastWord = Removed | PutBack
