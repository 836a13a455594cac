"""The numbers and dates that a server writes: each is read in one place, and may be unusable."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_MOST_DIGITS = 18
"""As many as any count or size has; Python refuses to read a number of 4,300 digits and more."""


def read_number(value: object) -> int | None:
    """A count, a size or seconds: an integer, or a text of digits (RFC 9110 section 8.6).

    None for anything else, and for what is out of all bounds.
    """
    match value:
        case bool():
            return None
        case int():
            return value if 0 <= value < 10**_MOST_DIGITS else None
        case str():
            is_number = value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS
            return int(value) if is_number else None
    return None


def read_retry_after(text: str | None, now: datetime) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date (RFC 9110 section 10.2.3).

    Gives seconds from ``now``, never negative; None for a text that is neither, or out of all
    bounds.
    """
    if text is None:
        return None
    text = text.strip()
    if text.isdigit():
        seconds = read_number(text)
        return None if seconds is None else float(seconds)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())
