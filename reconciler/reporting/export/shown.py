"""Text of others as it may stand in a document: what is no letter, digit or sign is spelt out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins a formula, by OWASP's page on CSV Injection: full-width signs too."""


def shown(text: str) -> str:
    r"""The text on one line: what is not printable stands as ``\n``, ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def as_csv_cell(text: str) -> str:
    """A field of RFC 4180 that no spreadsheet takes for a formula."""
    cell = "".join(map(shown, as_no_formula([text])))
    if '"' not in cell and "," not in cell:
        return cell
    doubled = cell.replace('"', '""')
    return f'"{doubled}"'


def as_no_formula(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces of a field, behind a single quote if a spreadsheet took it for a formula."""
    waiting = iter(pieces)
    first = next(waiting, "")
    yield f"'{first}" if first.startswith(_FORMULA) else first
    yield from waiting
