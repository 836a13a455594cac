"""The outcome table: what follows from the replies and the verifying probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome
from reconciler.model.reply import ReplyKind


class Ending(Enum):
    """The DELETE attempts of one instance, taken together."""

    ACCEPTED = "accepted"
    """The store said yes."""
    NOT_FOUND = "not found"
    """The store said that there is none, and every earlier attempt was clearly refused."""
    AMBIGUOUS = "ambiguous"
    """Some attempt may have had its effect, and no yes ever came."""
    REFUSED = "refused"
    """Every attempt was clearly refused."""
    OPERATION = "operation"
    """The store began to delete something larger."""


def ending_of(replies: Sequence[ReplyKind | None]) -> Ending:
    """Take all attempts together; None stands for an attempt whose reply is not known.

    A refusal after an attempt without a clear answer stays ambiguous: what is absent then may
    well have been deleted by that attempt.
    """
    if ReplyKind.OPERATION in replies:
        return Ending.OPERATION
    if ReplyKind.ACCEPTED in replies:
        return Ending.ACCEPTED
    if any(reply is None or not reply.is_clear_no for reply in replies):
        return Ending.AMBIGUOUS
    return Ending.NOT_FOUND if replies[-1] is ReplyKind.NOT_FOUND else Ending.REFUSED


OUTCOMES: Mapping[tuple[Ending, Presence], Outcome] = {
    (Ending.ACCEPTED, Presence.ABSENT): Outcome.DELETED,
    (Ending.ACCEPTED, Presence.PRESENT): Outcome.UNCONFIRMED,
    (Ending.ACCEPTED, Presence.UNKNOWN): Outcome.UNCONFIRMED,
    (Ending.NOT_FOUND, Presence.ABSENT): Outcome.ALREADY_ABSENT,
    (Ending.NOT_FOUND, Presence.PRESENT): Outcome.UNCONFIRMED,
    (Ending.NOT_FOUND, Presence.UNKNOWN): Outcome.UNCONFIRMED,
    (Ending.AMBIGUOUS, Presence.ABSENT): Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT,
    (Ending.AMBIGUOUS, Presence.PRESENT): Outcome.FAILED,
    (Ending.AMBIGUOUS, Presence.UNKNOWN): Outcome.UNCONFIRMED,
    (Ending.REFUSED, Presence.ABSENT): Outcome.ALREADY_ABSENT,
    (Ending.REFUSED, Presence.PRESENT): Outcome.FAILED,
    (Ending.REFUSED, Presence.UNKNOWN): Outcome.FAILED,
    (Ending.OPERATION, Presence.ABSENT): Outcome.FAILED,
    (Ending.OPERATION, Presence.PRESENT): Outcome.FAILED,
    (Ending.OPERATION, Presence.UNKNOWN): Outcome.FAILED,
}
"""Total over both enums."""


def outcome_of(replies: Sequence[ReplyKind | None], presence: Presence) -> Outcome:
    """Look the outcome up; ``replies`` holds at least one attempt."""
    return OUTCOMES[ending_of(replies), presence]
