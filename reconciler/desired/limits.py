"""How much a plan may do to a store, from all files that speak of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.model.desired import Limits

_DEFAULTS = Limits()


def smallest_limits(written: Iterable[Mapping[str, int]]) -> Limits:
    """The smallest written value of each limit; the default where no file writes it.

    Keys are the format's (``maxDeletions`` …).
    """
    smallest: dict[str, int] = {}
    for limits in written:
        for name, value in limits.items():
            smallest[name] = min(value, smallest.get(name, value))
    return Limits(
        max_deletions=smallest.get("maxDeletions", _DEFAULTS.max_deletions),
        max_studies_emptied=smallest.get("maxStudiesEmptied", _DEFAULTS.max_studies_emptied),
        max_series_emptied=smallest.get("maxSeriesEmptied", _DEFAULTS.max_series_emptied),
        max_study_percent=smallest.get("maxStudyPercent", _DEFAULTS.max_study_percent),
        max_kept_missing=smallest.get("maxKeptMissing", _DEFAULTS.max_kept_missing),
        max_never_seen=smallest.get("maxNeverSeen", _DEFAULTS.max_never_seen),
        max_reappeared=smallest.get("maxReappeared", _DEFAULTS.max_reappeared),
    )
