"""Where the parts of a chart stand, in the units of its SVG; a template draws them.

The parts of a bar are numbered in the order of the legend, and the number is the colour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_SERIES = 6
"""So many colours can be distinguished; what is beyond them is one more, "other"."""
OTHER = "other"

_MOST_MONTHS = 36
_MOST_YEARS = 50
_NARROWEST, _WIDTH, _HEIGHT = 300, 720, 240
_LEFT, _TOP, _BOTTOM = 64, 12, 28
_GAP = 0.25
_MOST_BAR = 48
_LABEL_WIDTH = 64
_SLOT = 96
"""So wide is the place of a column where there are few, so that few fit on a phone."""
_STEPS = 4
_MONTHS = 12
_LENGTHS = {"day": 10, "month": 7, "year": 4}
"""How much of a day names the column that it counts for."""


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle, which stands for so many; ``colour`` is its place in the legend."""

    colour: int
    name: str
    count: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """The parts of one day, month or year; ``label`` is empty where there is no room for it."""

    name: str
    label: str
    middle: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line across the chart, at a count."""

    count: int
    y: float


@dataclass(frozen=True, slots=True)
class Columns:
    """Stacked columns over time. ``legend`` has the names by colour, ``unit`` what a column is."""

    unit: str
    legend: tuple[str, ...]
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    width: int
    height: int = _HEIGHT
    left: int = _LEFT


@dataclass(frozen=True, slots=True)
class Shares:
    """One bar whose parts are shares of a whole, in percent of its width."""

    parts: tuple[Part, ...]
    total: int


def columns(by_day: Mapping[str, Mapping[str, int]]) -> Columns:
    """A column for each month from the first to the last, those without anything included.

    Days are written ``2026-03-14``. Within one month a column is a day, beyond three years a year;
    and where a clock has gone astray, by decades, only years with something in them have one.
    """
    unit, names = _spans(sorted(by_day))
    gathered: dict[str, Counter[str]] = {name: Counter() for name in names}
    totals: Counter[str] = Counter()
    for day, counts in by_day.items():
        gathered[day[: _LENGTHS[unit]]].update(counts)
        totals.update(counts)
    legend = _legend(totals)
    top = _round_up(max(counts.total() for counts in gathered.values()))
    scale = (_HEIGHT - _TOP - _BOTTOM) / top
    width = max(_NARROWEST, min(_WIDTH, _LEFT + _SLOT * len(names)))
    slot = (width - _LEFT) / len(names)
    every = -(-_LABEL_WIDTH // max(1, int(slot)))
    bars = []
    for place, name in enumerate(names):
        middle = _LEFT + (place + 0.5) * slot
        label = name if place % every == 0 else ""
        parts = _stack(gathered[name], legend, middle, min(slot * (1 - _GAP), _MOST_BAR), scale)
        bars.append(Bar(name, label, middle, parts))
    step = top // _STEPS
    lines = tuple(
        Line(count, _HEIGHT - _BOTTOM - count * scale) for count in range(0, top + 1, step)
    )
    return Columns(unit, legend, tuple(bars), lines, width)


def shares(counts: Mapping[str, int]) -> Shares:
    """The parts of a whole, side by side; those that are nothing are left out."""
    total = sum(counts.values())
    parts: list[Part] = []
    x = 0.0
    for colour, (name, count) in enumerate(counts.items()):
        width = 100 * count / total if total else 0.0
        if count:
            parts.append(Part(colour, name, count, x, 0, width, 1))
        x += width
    return Shares(tuple(parts), total)


def _spans(days: Sequence[str]) -> tuple[str, list[str]]:
    """What a column stands for, and the names of all of them in order."""
    first, last = _number(days[0]), _number(days[-1])
    if first == last:
        numbers = range(int(days[0][8:]), int(days[-1][8:]) + 1)
        return "day", [f"{days[0][:7]}-{one:02}" for one in numbers]
    if last - first < _MOST_MONTHS:
        numbers = range(first, last + 1)
        return "month", [f"{one // _MONTHS:04}-{one % _MONTHS + 1:02}" for one in numbers]
    years = range(first // _MONTHS, last // _MONTHS + 1)
    if len(years) <= _MOST_YEARS:
        return "year", [f"{year:04}" for year in years]
    return "year", sorted({day[:4] for day in days})


def _number(day: str) -> int:
    """How many months after the beginning of the year 0."""
    return int(day[:4]) * _MONTHS + int(day[5:7]) - 1


def _legend(totals: Counter[str]) -> tuple[str, ...]:
    """The largest first, and by name where they are equal."""
    names = [name for name, _ in sorted(totals.items(), key=lambda one: (-one[1], one[0]))]
    if len(names) <= MOST_SERIES:
        return tuple(names)
    return (*names[:MOST_SERIES], OTHER)


def _stack(
    counts: Counter[str], legend: Sequence[str], middle: float, width: float, scale: float
) -> tuple[Part, ...]:
    by_colour: Counter[int] = Counter()
    for name, count in counts.items():
        by_colour[legend.index(name) if name in legend else len(legend) - 1] += count
    parts = []
    y = float(_HEIGHT - _BOTTOM)
    for colour, name in enumerate(legend):
        if count := by_colour[colour]:
            y -= count * scale
            parts.append(Part(colour, name, count, middle - width / 2, y, width, count * scale))
    return tuple(parts)


def _round_up(count: int) -> int:
    """The least number not below ``count`` that its lines divide into whole, round steps."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power * _STEPS >= count:
                return digit * power * _STEPS
        power *= 10
