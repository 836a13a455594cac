"""What the record says of an instance: what moved it last."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model.desired import Reason
from reconciler.model.problem import Source
from reconciler.model.restore import RestoreOutcome


class Removed(NamedTuple):
    """An instance is proven to be gone; ``place`` is that of ``run`` in the order of all runs.

    ``is_ours`` says that a DELETE of the run removed it; else the run found it gone already.
    """

    run: str
    place: int
    is_ours: bool


class PutBack(NamedTuple):
    """``restore`` put an instance back that ``run`` had removed and archived, and proved it.

    ``source`` and ``reason`` are those that the files gave for the removal then.
    """

    run: str
    restore: str
    place: int
    outcome: RestoreOutcome
    source: Source
    reason: Reason


LastWord = Removed | PutBack
