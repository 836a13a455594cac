"""What was seen of a store, before anything is concluded from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from reconciler.model.address import InstanceAddress
from reconciler.model.live import Observation, Presence

Whole = tuple[str, str | None]
"""A whole series, or (series UID None) a whole study."""

Rows = frozenset[InstanceAddress]

K = TypeVar("K")


@dataclass(slots=True)
class Facts:
    """The answers so far, each under what was asked; filled by the stages of a survey.

    A listing is its rows, or the text of what hid them; so is a search, whose rows are other
    addresses of the instance. ``whole_probes`` answers for the wholes that no listed instance
    vouches for.
    """

    listings: dict[Whole, Rows | str] = field(default_factory=dict)
    probes: dict[InstanceAddress, Observation] = field(default_factory=dict)
    searches: dict[InstanceAddress, tuple[InstanceAddress, ...] | str] = field(default_factory=dict)
    whole_probes: dict[Whole, Observation] = field(default_factory=dict)

    def listing_of(self, whole: Whole) -> Rows | str:
        """What the store lists of it, by the listing of its study or by its own.

        A row whose probe says ABSENT is stale and left out.
        """
        study_uid, series_uid = whole
        rows = self.listings.get((study_uid, None), self.listings.get(whole, "it was not listed"))
        if isinstance(rows, str):
            return rows
        return frozenset(
            row for row in rows if series_uid in {None, row.series_uid} and not self.is_absent(row)
        )

    def is_listed(self, instance: InstanceAddress) -> bool:
        """Whether the listing of its study shows it under that very address."""
        rows = self.listings.get((instance.study_uid, None))
        return isinstance(rows, frozenset) and instance in rows

    def listing_problem(self, study_uid: str) -> str | None:
        """What hid the listing of a study."""
        rows = self.listings.get((study_uid, None))
        return rows if isinstance(rows, str) else None

    def is_absent(self, instance: InstanceAddress) -> bool:
        """Whether a probe says that it is absent."""
        return _is(self.probes.get(instance), Presence.ABSENT)

    def is_present(self, instance: InstanceAddress) -> bool:
        """Whether a probe says that it is present; a listing is not enough."""
        return _is(self.probes.get(instance), Presence.PRESENT)

    def doubted(self, doubt: Observation) -> Facts:
        """The same facts, with ``doubt`` in the place of every proof of absence."""
        return Facts(
            self.listings,
            _doubted(self.probes, doubt),
            whole_probes=_doubted(self.whole_probes, doubt),
        )


def _is(observation: Observation | None, presence: Presence) -> bool:
    return observation is not None and observation.presence is presence


def _doubted(seen: Mapping[K, Observation], doubt: Observation) -> dict[K, Observation]:
    return {
        key: doubt if _is(observation, Presence.ABSENT) else observation
        for key, observation in seen.items()
    }
