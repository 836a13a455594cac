"""What the store lacks of each keep entry."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter

from reconciler.model.plan import StorePlan, Why
from reconciler.model.problem import Source


def missing_by_entry(store: StorePlan) -> Counter[Source]:
    """How many kept instances are not there, by the line of the entry that names them.

    The line of an instance is at or below that of its entry. A series or study that is kept as a
    whole and is not there counts as one.
    """
    entries = sorted({entry.source for entry in store.kept}, key=_place)
    places = [_place(source) for source in entries]
    return Counter(
        entries[bisect_right(places, _place(finding.source)) - 1]
        for finding in store.findings
        if finding.why is Why.MISSING
    )


def _place(source: Source) -> tuple[str, int]:
    return source.path, source.line
