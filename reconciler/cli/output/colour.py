"""Colour, where a terminal is there to show it and nobody has asked for none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import TextIO

import click

_STYLES: tuple[tuple[re.Pattern[str], dict[str, object]], ...] = (
    (re.compile(r"  BLOCKING  "), {"fg": "red", "bold": True}),
    (re.compile(r"  For good: | +(goes whole: |no copy is kept$)"), {"fg": "red", "bold": True}),
    (re.compile(r"  Restorable: | +archived under "), {"fg": "yellow"}),
    (re.compile(r" +- [0-9.]+$"), {"fg": "red"}),
    (re.compile(r"To pass$"), {"fg": "cyan"}),
    (re.compile(r"Store |  Study |Plan: "), {"bold": True}),
)
"""How the lines of a plan's text are shown; the first that fits decides."""


def wants_colour(stream: TextIO) -> bool:
    """Whether it is a terminal with colours, and NO_COLOR (https://no-color.org) is not set."""
    is_asked_not_to = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not is_asked_not_to


def coloured(pieces: Iterable[str]) -> Iterator[str]:
    """A plan's text with its lines in colour; nothing else of it changes."""
    for piece in pieces:
        for line in piece.splitlines(keepends=True):
            yield _styled(line.rstrip("\n")) + "\n" * line.endswith("\n")


def _styled(line: str) -> str:
    for pattern, style in _STYLES:
        if pattern.match(line):
            return click.style(line, **style)  # type: ignore[arg-type]  # the table holds its keywords
    return line
