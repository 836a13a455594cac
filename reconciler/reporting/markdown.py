"""Markdown that stays under a limit: with ever less detail until it is short enough."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from reconciler.reporting.wording import plain

_ESCAPED = str.maketrans({char: f"\\{char}" for char in "\\`*_[]<>|#~&$"})
_AUTOLINKED = re.compile(
    r"""(?<=[@#!$%&~^])(?=[\w"'])   # @user, #12, !12, ~"label"; the @ of an address
      | (?<=\b[GL][HL])(?=-\d)       # GH-12, GL-12
      | (?<=[\[*])(?=\w)            # [issue:12], *iteration:12
      | (?<=:)(?=//)                # https://…
      | (?<=www)(?=\.)              # www.…
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Where GitHub and GitLab would begin a mention, a reference or a link amid plain text.

They look for these in the rendered text, where a backslash escape has no effect any more.
"""
_APART = "&#8203;"
"""A zero-width space: nothing is seen, and nothing is linked."""


class Grain(Enum):
    """Down to what a document names things one by one."""

    INSTANCES = "instances"
    SERIES = "series"
    STUDIES = "studies"


@dataclass(frozen=True, slots=True)
class Detail:
    """How much is shown; of each list ``rows`` at most, all where that is None."""

    grain: Grain = Grain.INSTANCES
    rows: int | None = None


DEGREES = (
    *(Detail(grain) for grain in Grain),
    *(Detail(Grain.STUDIES, rows) for rows in (1000, 300, 100, 30, 10, 3, 1, 0)),
)
"""From everything down to the headline alone, whose length no input decides."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest that a document may be: in characters, or ``in_bytes`` of UTF-8."""

    most: int
    in_bytes: bool = False

    def size(self, text: str) -> int:
        """How much of the limit a text takes."""
        return len(text.encode()) if self.in_bytes else len(text)


COMMENT = Limit(65_536 - 1_536)
"""A comment on GitHub has at most 65,536 characters; what posts it may add a few of its own."""

STEP_SUMMARY_BYTES = 1_024 * 1_024
"""All that one step may write (GitHub: Workflow commands, Adding a job summary)."""


def fit(
    render: Callable[[Detail], Iterable[str]], limit: Limit, degrees: Sequence[Detail] = DEGREES
) -> Iterator[str]:
    """The document in the most detail that the limit has room for; nothing if it has none."""
    for detail in degrees:
        text = _within(render(detail), limit)
        if text is not None:
            yield text
            return


def _within(pieces: Iterable[str], limit: Limit) -> str | None:
    """The pieces joined, or None as soon as they are too long."""
    taken, size = [], 0
    for piece in pieces:
        size += limit.size(piece)
        if size > limit.most:
            return None
        taken.append(piece)
    return "".join(taken)


def escape(text: str) -> str:
    """Words from a file as text, whatever they hold: nobody is notified and nothing is linked."""
    return _APART.join(part.translate(_ESCAPED) for part in _AUTOLINKED.split(plain(text)))


def listed(lines: Sequence[str], detail: Detail) -> Iterator[str]:
    """A list with as many lines as the detail allows, and the count of the rest."""
    shown = lines[: detail.rows]
    for line in shown:
        yield f"- {line}\n"
    if len(shown) < len(lines):
        yield f"- … and {len(lines) - len(shown):,} more\n"
    yield "\n"


def folded(summary: str, body: Iterable[str]) -> Iterator[str]:
    """A part that opens on a click; ``summary`` holds no words from a file."""
    yield f"<details><summary>{summary}</summary>\n\n"
    yield from body
    yield "</details>\n\n"
