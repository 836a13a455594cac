"""Finds holds that are past their review. None lapses by itself, so this is never an error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date

from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.model.address import StoreAddress
from reconciler.model.desired import Claims, Entry, Hold


def check_reviews(keeps: Mapping[StoreAddress, Claims], today: date, problems: Problems) -> None:
    """Warn of each overdue hold once in a file, with what it names there."""
    for claims in keeps.values():
        named: dict[tuple[str, Hold], list[Entry]] = {}
        for entry in sorted(claims.entries, key=lambda one: one.source):
            if entry.hold is not None:
                named.setdefault((entry.source.path, entry.hold), []).append(entry)
        for (_, hold), entries in named.items():
            days = hold.overdue_days(today)
            if days is not None:
                age = f"{days:,} day{'s' * (days != 1)} overdue; keeps {_named(entries)}"
                problems.warning(
                    Rule.HOLD_OVERDUE,
                    entries[0].source,
                    f"this hold is past its review ({age}): {hold}",
                    "it goes on holding: take the keep out, or write a later reviewBy",
                )


def _named(entries: list[Entry]) -> str:
    """``2 instances, 1 series, 3 studies``: what entries name."""
    counts = Counter[str]()
    for entry in entries:
        if entry.instances is not None:
            counts["instance"] += len(entry.instances.uids)
        else:
            counts["study" if entry.series_uid is None else "series"] += 1
    plurals = {"instance": "instances", "series": "series", "study": "studies"}
    return ", ".join(
        f"{counts[noun]:,} {many if counts[noun] > 1 else noun}"
        for noun, many in plurals.items()
        if counts[noun]
    )
