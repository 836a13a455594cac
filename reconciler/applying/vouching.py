"""When an absence counts: only if the store still answers after the look that found it."""

from __future__ import annotations

from reconciler.errors import LiveError
from reconciler.live.store import ReadableStore
from reconciler.model.live import Observation, Presence, unknown


def vouched(seen: Observation, store: ReadableStore) -> Observation:
    """The same observation; UNKNOWN for an absence that the store does not vouch for now.

    A store that went away answers 404 for every instance of it. What is not ABSENT is not asked
    about again.
    """
    if seen.presence is not Presence.ABSENT:
        return seen
    try:
        store.preflight(deleting=False)
    except LiveError as error:
        return unknown(f"answered 404, but then the pre-flight failed: {error}")
    return seen
