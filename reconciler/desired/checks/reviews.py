"""Finds holds that are past their review. None lapses by itself, so this is never an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.model.address import StoreAddress
from reconciler.model.desired import Claims, Entry, Hold


def check_reviews(keeps: Mapping[StoreAddress, Claims], today: date, problems: Problems) -> None:
    """Warn of each overdue hold once in a file, with what it names there."""
    found: dict[tuple[StoreAddress, str, Hold], list[Entry]] = {}
    for store, claims in keeps.items():
        for entry in sorted(claims.entries, key=lambda one: one.source):
            if entry.hold is not None and entry.hold.overdue_days(today):
                found.setdefault((store, entry.source.path, entry.hold), []).append(entry)
    for (_, _, hold), entries in found.items():
        days = hold.overdue_days(today)
        age = f"{days:,} day{'s' * (days > 1)} overdue; keeps {', '.join(_named(entries))}"
        problems.warning(
            Rule.HOLD_OVERDUE,
            entries[0].source,
            f"this hold is past its review ({age}): {hold}",
            "it still applies: remove the keep, or set a later reviewBy",
        )


def _named(entries: Sequence[Entry]) -> Iterator[str]:
    """``2 instances``, ``1 series``, ``1 study``: what entries name."""
    instances = sum(len(one.instances.uids) for one in entries if one.instances is not None)
    series = sum(one.is_whole and one.series_uid is not None for one in entries)
    studies = sum(one.series_uid is None for one in entries)
    if instances:
        yield f"{instances:,} instance{'s' * (instances > 1)}"
    if series:
        yield f"{series:,} series"
    if studies:
        yield f"{studies:,} {'studies' if studies > 1 else 'study'}"
