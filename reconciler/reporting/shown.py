"""Text of others as it may stand in a document: what is no letter, digit or sign is spelt out."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def shown(text: str) -> str:
    r"""The text on one line: what is not printable stands as ``\n``, ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def as_csv_cell(text: str) -> str:
    """A field of RFC 4180 that no spreadsheet takes for a formula."""
    guarded = f"'{shown(text)}" if text.startswith(_FORMULA) else shown(text)
    if '"' not in guarded and "," not in guarded:
        return guarded
    doubled = guarded.replace('"', '""')
    return f'"{doubled}"'
