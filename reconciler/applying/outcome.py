"""The outcome tables: what follows from the replies to all attempts and from a look at the store.

They are the safety model: one for deletions, one for restores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome
from reconciler.model.reply import ReplyKind


class AttemptSummary(Enum):
    """The attempts to delete, or to store, one instance, taken together."""

    ACCEPTED = "accepted"
    """The store said yes."""
    NOT_FOUND = "not found"
    """Of a DELETE: the store said that there is none, and refused every earlier attempt clearly."""
    ALREADY_EXISTS = "already exists"
    """Of a file: the store said that it holds one already, or would not take this one."""
    AMBIGUOUS = "ambiguous"
    """Some attempt may have had its effect, and no clear answer ever came."""
    REFUSED = "refused"
    """Every attempt was clearly refused."""
    OPERATION = "operation"
    """Of a DELETE: the store began to delete something larger."""


def summarize(replies: Sequence[ReplyKind | None]) -> AttemptSummary:
    """Take all attempts together; None stands for an attempt whose reply is not known.

    A refusal after an attempt without a clear answer stays ambiguous: what is absent then may
    well have been deleted by that attempt.
    """
    if ReplyKind.OPERATION in replies:
        return AttemptSummary.OPERATION
    if ReplyKind.ACCEPTED in replies:
        return AttemptSummary.ACCEPTED
    if ReplyKind.ALREADY_EXISTS in replies:
        return AttemptSummary.ALREADY_EXISTS
    if any(reply is None or not reply.is_clear_no for reply in replies):
        return AttemptSummary.AMBIGUOUS
    if replies[-1] is ReplyKind.NOT_FOUND:
        return AttemptSummary.NOT_FOUND
    return AttemptSummary.REFUSED


DELETIONS: Mapping[tuple[AttemptSummary, Presence], Outcome] = {
    (AttemptSummary.ACCEPTED, Presence.ABSENT): Outcome.DELETED,
    (AttemptSummary.ACCEPTED, Presence.PRESENT): Outcome.UNCONFIRMED,
    (AttemptSummary.ACCEPTED, Presence.UNKNOWN): Outcome.UNCONFIRMED,
    (AttemptSummary.NOT_FOUND, Presence.ABSENT): Outcome.ALREADY_ABSENT,
    (AttemptSummary.NOT_FOUND, Presence.PRESENT): Outcome.UNCONFIRMED,
    (AttemptSummary.NOT_FOUND, Presence.UNKNOWN): Outcome.UNCONFIRMED,
    (AttemptSummary.AMBIGUOUS, Presence.ABSENT): Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT,
    (AttemptSummary.AMBIGUOUS, Presence.PRESENT): Outcome.FAILED,
    (AttemptSummary.AMBIGUOUS, Presence.UNKNOWN): Outcome.UNCONFIRMED,
    (AttemptSummary.REFUSED, Presence.ABSENT): Outcome.ALREADY_ABSENT,
    (AttemptSummary.REFUSED, Presence.PRESENT): Outcome.FAILED,
    (AttemptSummary.REFUSED, Presence.UNKNOWN): Outcome.FAILED,
    (AttemptSummary.OPERATION, Presence.ABSENT): Outcome.FAILED,
    (AttemptSummary.OPERATION, Presence.PRESENT): Outcome.FAILED,
    (AttemptSummary.OPERATION, Presence.UNKNOWN): Outcome.FAILED,
}
"""Total over the summaries of DELETEs and what the probe then sees."""


class Comparison(Enum):
    """What the store gave after the attempts to store, beside what was archived."""

    IDENTICAL = "identical"
    SAME_DATASET = "same dataset"
    DIFFERENT = "different"
    ABSENT = "absent"
    UNKNOWN = "unknown"


RESTORES: Mapping[tuple[AttemptSummary, Comparison], Outcome] = {
    (AttemptSummary.ACCEPTED, Comparison.IDENTICAL): Outcome.IDENTICAL,
    (AttemptSummary.ACCEPTED, Comparison.SAME_DATASET): Outcome.SAME_DATASET,
    (AttemptSummary.ACCEPTED, Comparison.DIFFERENT): Outcome.CONFLICT,
    (AttemptSummary.ACCEPTED, Comparison.ABSENT): Outcome.UNCONFIRMED,
    (AttemptSummary.ACCEPTED, Comparison.UNKNOWN): Outcome.UNCONFIRMED,
    (AttemptSummary.ALREADY_EXISTS, Comparison.IDENTICAL): Outcome.IDENTICAL,
    (AttemptSummary.ALREADY_EXISTS, Comparison.SAME_DATASET): Outcome.SAME_DATASET,
    (AttemptSummary.ALREADY_EXISTS, Comparison.DIFFERENT): Outcome.CONFLICT,
    (AttemptSummary.ALREADY_EXISTS, Comparison.ABSENT): Outcome.FAILED,
    (AttemptSummary.ALREADY_EXISTS, Comparison.UNKNOWN): Outcome.UNCONFIRMED,
    (AttemptSummary.AMBIGUOUS, Comparison.IDENTICAL): Outcome.IDENTICAL,
    (AttemptSummary.AMBIGUOUS, Comparison.SAME_DATASET): Outcome.SAME_DATASET,
    (AttemptSummary.AMBIGUOUS, Comparison.DIFFERENT): Outcome.CONFLICT,
    (AttemptSummary.AMBIGUOUS, Comparison.ABSENT): Outcome.FAILED,
    (AttemptSummary.AMBIGUOUS, Comparison.UNKNOWN): Outcome.UNCONFIRMED,
    (AttemptSummary.REFUSED, Comparison.IDENTICAL): Outcome.IDENTICAL,
    (AttemptSummary.REFUSED, Comparison.SAME_DATASET): Outcome.SAME_DATASET,
    (AttemptSummary.REFUSED, Comparison.DIFFERENT): Outcome.CONFLICT,
    (AttemptSummary.REFUSED, Comparison.ABSENT): Outcome.FAILED,
    (AttemptSummary.REFUSED, Comparison.UNKNOWN): Outcome.FAILED,
}
"""Total over the summaries of requests to store and what a retrieve then gives."""


def deletion_outcome(replies: Sequence[ReplyKind | None], presence: Presence) -> Outcome:
    """Look the outcome of a deletion up; ``replies`` holds at least one attempt.

    Replies may come from a record: one that no DELETE gets is no clear answer.
    """
    key = summarize(replies), presence
    return DELETIONS.get(key, DELETIONS[AttemptSummary.AMBIGUOUS, presence])
