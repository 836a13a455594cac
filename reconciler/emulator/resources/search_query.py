"""Reads the query of a search (QIDO-RS, PS3.18 section 10.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from pydicom.datadict import tag_for_keyword

from reconciler.emulator.http.answer import ApiError
from reconciler.emulator.storage.tags import SEARCHABLE

_MAX_OFFSET = 1_000_000
_TAG_DIGITS = 8
_DATE = re.compile(r"[0-9]{8}")


class Level(Enum):
    """What a search lists."""

    STUDIES = "studies"
    SERIES = "series"
    INSTANCES = "instances"


_DEFAULT_LIMITS = {Level.STUDIES: 100, Level.SERIES: 100, Level.INSTANCES: 1_000}
_MAX_LIMITS = {Level.STUDIES: 5_000, Level.SERIES: 5_000, Level.INSTANCES: 50_000}
_UNSEARCHABLE: Mapping[Level, frozenset[str]] = {
    Level.STUDIES: frozenset({"SeriesInstanceUID", "Modality", "SOPInstanceUID"}),
    Level.SERIES: frozenset({"SOPInstanceUID"}),
    Level.INSTANCES: frozenset(),
}


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """One search: values to match by keyword, and further attributes to answer, by tag.

    ``limit`` rows are answered, from the one at ``offset`` on. ``is_fuzzy`` says that Patient's
    Name is matched by the beginnings of its words.
    """

    level: Level
    limit: int
    offset: int
    matches: Mapping[str, str]
    is_fuzzy: bool
    include: frozenset[str]
    include_all: bool


def read_query(
    level: Level, scope: Mapping[str, str], parameters: Iterable[tuple[str, str]]
) -> SearchQuery:
    """Read the parameters of a search; ``scope`` is what the path already fixes.

    Raises:
        ApiError: 400 for an attribute that cannot be searched, or a value that makes no sense.
    """
    matches: dict[str, str] = {}
    numbers = {"limit": _DEFAULT_LIMITS[level], "offset": 0}
    include: set[str] = set()
    is_fuzzy = False
    for name, value in parameters:
        if name in numbers:
            numbers[name] = _number(name, value)
        elif name == "includefield":
            include.update(value.split(","))
        elif name == "fuzzymatching":
            is_fuzzy = _boolean(name, value)
        else:
            keyword = _searchable(level, name)
            matches[keyword] = _dates(value) if keyword == "StudyDate" else value
    if any(matches.get(keyword, uid) != uid for keyword, uid in scope.items()):
        raise ApiError(400, "The query contradicts the request path.")
    if not 1 <= numbers["limit"] <= _MAX_LIMITS[level]:
        raise ApiError(400, f"'limit' lies between 1 and {_MAX_LIMITS[level]}.")
    if numbers["offset"] > _MAX_OFFSET:
        raise ApiError(400, f"'offset' is at most {_MAX_OFFSET}.")
    return SearchQuery(
        level,
        matches={**matches, **scope},
        is_fuzzy=is_fuzzy,
        include=frozenset(_tag(name) for name in include - {"all", ""}),
        include_all="all" in include,
        **numbers,
    )


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise ApiError(400, f"{name!r} is not a number.")
    return int(value)


def _dates(value: str) -> str:
    """A date, or a range of dates that may be open at one end (PS3.4 section C.2.2.2.5)."""
    first, _, last = value.partition("-")
    if not (first or last) or any(one and not _DATE.fullmatch(one) for one in (first, last)):
        raise ApiError(400, "'StudyDate' is neither a date nor a range of dates.")
    return value


def _boolean(name: str, value: str) -> bool:
    if value not in {"true", "false"}:
        raise ApiError(400, f"{name!r} is neither true nor false.")
    return value == "true"


def _searchable(level: Level, name: str) -> str:
    for keyword, tag in SEARCHABLE.items():
        if name in {keyword, tag, tag.lower()} and keyword not in _UNSEARCHABLE[level]:
            return keyword
    raise ApiError(400, f"The attribute {name!r} cannot be searched for among {level.value}.")


def _tag(name: str) -> str:
    """The tag of an attribute given by tag or keyword."""
    if len(name) == _TAG_DIGITS and all(digit in "0123456789abcdefABCDEF" for digit in name):
        return name.upper()
    tag = tag_for_keyword(name)
    if tag is None:
        raise ApiError(400, f"The attribute {name!r} of 'includefield' is not known.")
    return f"{tag:08X}"
