"""What a store answers to a request that changes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Change(Enum):
    """A request that changes a store, of one instance."""

    DELETE = "delete"
    STORE = "store"


class ReplyKind(Enum):
    """The result of one attempt to delete or to store an instance."""

    ACCEPTED = "accepted"
    """200 or 204, and the body says so."""
    NOT_FOUND = "not_found"
    """Of a DELETE: 404 in the API's own words."""
    ALREADY_EXISTS = "already_exists"
    """Of a file: the store holds this UID already, or refuses the file for its content."""
    REFUSED = "refused"
    """A clear no that another attempt would not change: 400, 403, 405, 413, 415 …"""
    UNAUTHENTICATED = "unauthenticated"
    """401: a clear no that a fresh token may change."""
    THROTTLED = "throttled"
    """425 or 429, or nothing was sent at all: a clear no that time may change."""
    UNCLEAR = "unclear"
    """408, 5xx, a broken connection, a timeout: it may have happened; another attempt may tell."""
    UNEXPECTED = "unexpected"
    """A redirect, HTML, or anything else that the API does not send: it may have happened."""
    OPERATION = "operation"
    """Of a DELETE: a long-running operation; something larger than an instance is being deleted."""

    @property
    def is_clear_no(self) -> bool:
        """Whether the attempt had no effect, by the store's own word."""
        return self in _CLEAR_NOES

    @property
    def may_pass(self) -> bool:
        """Whether another attempt may bring a clear answer."""
        return self in _MAY_PASS


_MAY_PASS = frozenset({ReplyKind.THROTTLED, ReplyKind.UNCLEAR, ReplyKind.UNAUTHENTICATED})
_CLEAR_NOES = frozenset(
    {
        ReplyKind.NOT_FOUND,
        ReplyKind.ALREADY_EXISTS,
        ReplyKind.REFUSED,
        ReplyKind.UNAUTHENTICATED,
        ReplyKind.THROTTLED,
    }
)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one attempt.

    ``status`` is the HTTP status, None when no answer came; ``retry_after`` is in seconds, as the
    server asked; ``request_id`` joins this record with the provider's audit log.
    """

    kind: ReplyKind
    status: int | None
    detail: str = ""
    retry_after: float | None = None
    request_id: str | None = None
