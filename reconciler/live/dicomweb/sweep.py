"""A search of a whole store, page by page, that misses nothing while the store changes.

The Healthcare API takes no offset above a million, so a larger store is asked by dates of studies.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from datetime import date, timedelta
from typing import NamedTuple, TypeVar

from reconciler.live.http.faults import AttemptError

MOST_ROWS = 1_000_000
"""The largest offset that the Healthcare API takes."""

_OVERLAP = 20
"""A page shows this part of the one before again."""

_TRIES = 3
"""So many pages in a row may bring nothing new before the search counts as unreadable."""

Row = TypeVar("Row", bound=Hashable)


class Days(NamedTuple):
    """Days of studies, from the first to the last."""

    first: date
    last: date

    @property
    def query(self) -> str:
        """Range matching (PS3.4 section C.2.2.2.5)."""
        first, last = (day.isoformat().replace("-", "") for day in self)
        return f"StudyDate={first}-{last}&"

    @property
    def halves(self) -> tuple[Days, Days]:
        """The earlier and the later half; the same for the same days."""
        middle = self.first + (self.last - self.first) // 2
        return Days(self.first, middle), Days(middle + timedelta(days=1), self.last)


_EVER = Days(date.min, date.max)

Ask = Callable[[str, int, int], list[Row]]
"""Asks for the rows that a query finds, so many at most, from an offset on."""


def swept(ask: Ask[Row], size: int, on_split: Callable[[], None]) -> Iterator[Row]:
    """All rows that a search finds, in pages of ``size``; some of them twice.

    ``on_split`` is called once if there are more than `MOST_ROWS`: then only studies with a date
    are found.

    Raises:
        LiveError: a page could not be read, or does not follow the one before; what came before it
            proves nothing.
    """
    if not ask("", 1, MOST_ROWS):
        yield from _pages(ask, size, "")
        return
    on_split()
    yield from _of_days(ask, size, _EVER)


def _of_days(ask: Ask[Row], size: int, days: Days) -> Iterator[Row]:
    if not ask(days.query, 1, MOST_ROWS):
        yield from _pages(ask, size, days.query)
        return
    if days.first == days.last:
        message = f"the search has more than {MOST_ROWS:,} rows of one day"
        raise AttemptError(message, may_pass=False)
    for half in days.halves:
        yield from _of_days(ask, size, half)


def _pages(ask: Ask[Row], size: int, query: str) -> Iterator[Row]:
    """Read on until a page shows nothing but the end of the one before.

    Rows that arrive amid the pages move others into pages to come. Those that go move others into
    pages that were read, but no more than the overlap without its being seen. A server may give
    fewer rows than were asked for.
    """
    before: frozenset[Row] = frozenset()
    offset = overlap = vain = 0
    while True:
        page = ask(query, size, offset)
        rows = frozenset(page)
        if overlap and rows.isdisjoint(before):
            message = "the store changed while it was searched; try again"
            raise AttemptError(message, may_pass=False)
        if rows <= before:
            if len(page) <= overlap:
                return
            vain += 1
            if vain == _TRIES:
                message = "the search answered again and again with the same rows"
                raise AttemptError(message, may_pass=False)
        else:
            vain = 0
            yield from (row for row in page if row not in before)
            before = rows
        overlap = min(len(page) - 1, max(1, len(page) // _OVERLAP))
        offset = min(offset + len(page) - overlap, MOST_ROWS)
