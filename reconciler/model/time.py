"""The one form of a time in every file, record and report: RFC 3339, UTC, milliseconds, ``Z``."""

from __future__ import annotations

from datetime import UTC, datetime


def format_time(time: datetime) -> str:
    """A time such as ``2026-01-31T23:59:59.999Z``; what is finer than a millisecond is cut off.

    Raises:
        ValueError: it has no time zone.
    """
    if time.tzinfo is not UTC:
        if time.tzinfo is None:
            raise ValueError("a time needs a time zone")
        time = time.astimezone(UTC)
    # isoformat takes half as long again, and it is a good part of writing a record
    return (
        f"{time.year:04}-{time.month:02}-{time.day:02}"
        f"T{time.hour:02}:{time.minute:02}:{time.second:02}.{time.microsecond // 1000:03}Z"
    )


def parse_time(text: str) -> datetime:
    """Read what `format_time` gives.

    Raises:
        ValueError: it is not that form, or no such time.
    """
    if text[4:20:3] != "--T::." or text[23:] != "Z":
        raise ValueError(f"not a UTC time in milliseconds: {text!r}")
    return datetime.fromisoformat(text)
