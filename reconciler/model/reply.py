"""What a store answers to a request that changes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ReplyKind(Enum):
    """The result of one DELETE attempt."""

    ACCEPTED = "accepted"
    """200 or 204, and no operation named."""
    NOT_FOUND = "not_found"
    """404 in the API's own words."""
    REFUSED = "refused"
    """A clear no that another attempt would not change: 400, 403, 405 …"""
    UNAUTHENTICATED = "unauthenticated"
    """401: a clear no that a fresh token may change."""
    THROTTLED = "throttled"
    """425 or 429, or nothing was sent at all: a clear no that time may change."""
    UNCLEAR = "unclear"
    """408, 5xx, a broken connection, a timeout: it may have happened; another attempt may tell."""
    FOREIGN = "foreign"
    """A redirect, HTML, or anything else that the API does not send: it may have happened."""
    OPERATION = "operation"
    """A long-running operation: something larger than an instance is being deleted."""

    @property
    def is_clear_no(self) -> bool:
        """Whether the DELETE had no effect, by the store's own word."""
        return self in _CLEAR_NOES


_CLEAR_NOES = frozenset(
    {
        ReplyKind.NOT_FOUND,
        ReplyKind.REFUSED,
        ReplyKind.UNAUTHENTICATED,
        ReplyKind.THROTTLED,
    }
)


@dataclass(frozen=True, slots=True)
class DeleteReply:
    """The answer to one DELETE attempt.

    ``status`` is the HTTP status, None when no answer came; ``retry_after`` is in seconds, as the
    server asked; ``request_id`` joins this record with the provider's audit log.
    """

    kind: ReplyKind
    status: int | None
    detail: str = ""
    retry_after: float | None = None
    request_id: str | None = None


class StoreReplyKind(Enum):
    """The result of one attempt to store an instance."""

    STORED = "stored"
    """200, and the body says so."""
    ALREADY_EXISTS = "already_exists"
    """The store holds an instance of this UID already, or refuses the file for its content."""
    REFUSED = "refused"
    """A clear no that another attempt would not change: 400, 403, 413, 415 …"""
    UNAUTHENTICATED = "unauthenticated"
    """401: a clear no that a fresh token may change."""
    THROTTLED = "throttled"
    """425 or 429, or nothing was sent at all: a clear no that time may change."""
    UNCLEAR = "unclear"
    """408, 5xx, a broken connection, a timeout: it may be stored; another attempt may tell."""
    FOREIGN = "foreign"
    """A redirect, HTML, or anything else that the API does not send: it may be stored."""


@dataclass(frozen=True, slots=True)
class StoreReply:
    """The answer to one attempt to store an instance; the fields are those of `DeleteReply`."""

    kind: StoreReplyKind
    status: int | None
    detail: str = ""
    retry_after: float | None = None
    request_id: str | None = None
