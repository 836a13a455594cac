"""How much a plan may do to a store, from all files that speak of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.model.desired import LIMIT_KEYS, Limits


def smallest_limits(written: Iterable[Mapping[str, int]]) -> Limits:
    """The smallest written value of each limit; the default where no file writes it.

    Keys are the format's (``maxDeletions`` …).
    """
    smallest: dict[str, int] = {}
    for limits in written:
        for name, value in limits.items():
            smallest[name] = min(value, smallest.get(name, value))
    return Limits(**{name: smallest[key] for name, key in LIMIT_KEYS.items() if key in smallest})
