"""Where a removal was declared and why, as keys of the records that tell of it; both ways."""

from __future__ import annotations

from functools import lru_cache

from reconciler.journal.fields import Fields, number, object_of, text, text_or_none
from reconciler.model.desired import Reason, ReasonCode
from reconciler.model.problem import Source


def removal_to_json(source: Source, reason: Reason) -> dict[str, object]:
    """The keys ``declaredAt`` and ``reason``."""
    return {
        "declaredAt": {"path": source.path, "line": source.line},
        "reason": {"code": reason.code.value, "text": reason.text, "ticket": reason.ticket},
    }


def source_of(fields: Fields) -> Source:
    """Where a file declares the removal.

    Raises:
        ValueError: the record does not say so.
    """
    place = object_of(fields, "declaredAt")
    return Source(text(place, "path"), number(place, "line"))


def reason_of(fields: Fields) -> Reason:
    """Why the instance is removed; raises as `source_of`."""
    reason = object_of(fields, "reason")
    return _shared_reason(
        text(reason, "code"), text_or_none(reason, "text"), text_or_none(reason, "ticket")
    )


@lru_cache(maxsize=1024)
def _shared_reason(code: str, words: str | None, ticket: str | None) -> Reason:
    """One object for the many instances that share a reason."""
    return Reason(ReasonCode(code), words, ticket)
