"""The outcome table of a restore: what follows from the replies and the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from reconciler.model.reply import StoreReplyKind
from reconciler.model.restore import RestoreOutcome


class StoreEnding(Enum):
    """The attempts to store one instance, taken together."""

    STORED = "stored"
    """The store said yes."""
    EXISTS = "exists"
    """The store said that it holds one already, or would not take this one."""
    AMBIGUOUS = "ambiguous"
    """Some attempt may have had its effect, and no clear answer ever came."""
    REFUSED = "refused"
    """Every attempt was clearly refused."""


class Comparison(Enum):
    """What the store then gave, beside what was archived."""

    IDENTICAL = "identical"
    SAME_DATASET = "same dataset"
    DIFFERENT = "different"
    ABSENT = "absent"
    UNKNOWN = "unknown"


_AMBIGUOUS = frozenset({StoreReplyKind.UNCLEAR, StoreReplyKind.FOREIGN})


def ending_of(replies: Sequence[StoreReplyKind]) -> StoreEnding:
    """Take all attempts together; there is at least one."""
    if StoreReplyKind.STORED in replies:
        return StoreEnding.STORED
    if StoreReplyKind.ALREADY_EXISTS in replies:
        return StoreEnding.EXISTS
    return StoreEnding.AMBIGUOUS if _AMBIGUOUS.intersection(replies) else StoreEnding.REFUSED


OUTCOMES: Mapping[tuple[StoreEnding, Comparison], RestoreOutcome] = {
    (StoreEnding.STORED, Comparison.IDENTICAL): RestoreOutcome.IDENTICAL,
    (StoreEnding.STORED, Comparison.SAME_DATASET): RestoreOutcome.SAME_DATASET,
    (StoreEnding.STORED, Comparison.DIFFERENT): RestoreOutcome.CONFLICT,
    (StoreEnding.STORED, Comparison.ABSENT): RestoreOutcome.UNCONFIRMED,
    (StoreEnding.STORED, Comparison.UNKNOWN): RestoreOutcome.UNCONFIRMED,
    (StoreEnding.EXISTS, Comparison.IDENTICAL): RestoreOutcome.IDENTICAL,
    (StoreEnding.EXISTS, Comparison.SAME_DATASET): RestoreOutcome.SAME_DATASET,
    (StoreEnding.EXISTS, Comparison.DIFFERENT): RestoreOutcome.CONFLICT,
    (StoreEnding.EXISTS, Comparison.ABSENT): RestoreOutcome.FAILED,
    (StoreEnding.EXISTS, Comparison.UNKNOWN): RestoreOutcome.UNCONFIRMED,
    (StoreEnding.AMBIGUOUS, Comparison.IDENTICAL): RestoreOutcome.IDENTICAL,
    (StoreEnding.AMBIGUOUS, Comparison.SAME_DATASET): RestoreOutcome.SAME_DATASET,
    (StoreEnding.AMBIGUOUS, Comparison.DIFFERENT): RestoreOutcome.CONFLICT,
    (StoreEnding.AMBIGUOUS, Comparison.ABSENT): RestoreOutcome.FAILED,
    (StoreEnding.AMBIGUOUS, Comparison.UNKNOWN): RestoreOutcome.UNCONFIRMED,
    (StoreEnding.REFUSED, Comparison.IDENTICAL): RestoreOutcome.IDENTICAL,
    (StoreEnding.REFUSED, Comparison.SAME_DATASET): RestoreOutcome.SAME_DATASET,
    (StoreEnding.REFUSED, Comparison.DIFFERENT): RestoreOutcome.CONFLICT,
    (StoreEnding.REFUSED, Comparison.ABSENT): RestoreOutcome.FAILED,
    (StoreEnding.REFUSED, Comparison.UNKNOWN): RestoreOutcome.FAILED,
}
"""Total over both enums."""
