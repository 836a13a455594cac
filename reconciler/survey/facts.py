"""What was seen of a store, before anything is concluded from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from reconciler.model.address import InstanceAddress, SeriesAddress
from reconciler.model.live import Observation, Presence, StudyContents

StudyOrSeries = tuple[str, str | None]
"""A whole series, or (series UID None) a whole study."""

WasDeleted = Callable[[InstanceAddress], bool]
"""Says of an instance that a DELETE of it is on record, and the proof that it is gone."""

_NOTHING: frozenset[str] = frozenset()
_NOT_LISTED = StudyContents(problem="it was not listed")

K = TypeVar("K")


@dataclass(slots=True)
class Facts:
    """The answers so far, each under what was asked; filled by the stages of a survey.

    ``listings`` are those of whole studies and series. ``partial_listings`` are the kept instances
    that a listing of their series, perhaps only its beginning, shows: it proves nothing of the
    others, unless the series is in ``seen_whole``. A search gave other addresses of the instance,
    or the text of what hid them. ``target_probes`` answers for the studies and series that no
    listed instance confirms.
    """

    listings: dict[StudyOrSeries, StudyContents] = field(default_factory=dict)
    partial_listings: dict[SeriesAddress, frozenset[str]] = field(default_factory=dict)
    seen_whole: set[SeriesAddress] = field(default_factory=set)
    probes: dict[SeriesAddress, dict[str, Observation]] = field(default_factory=dict)
    searches: dict[InstanceAddress, tuple[InstanceAddress, ...] | str] = field(default_factory=dict)
    target_probes: dict[StudyOrSeries, Observation] = field(default_factory=dict)

    def listing_of(self, target: StudyOrSeries) -> StudyContents:
        """What the store lists of it, by the listing of its study or by its own.

        A row whose probe says ABSENT is stale and left out. Odd rows are those of the listing,
        also where the series is only a part of it.
        """
        study_uid, series_uid = target
        of_study = self.listings.get((study_uid, None))
        listing = of_study or self.listings.get(target, _NOT_LISTED)
        if listing.problem is not None:
            return listing
        wanted = listing.series if series_uid is None else {series_uid}
        current = {
            uid: self._without_stale(listing, SeriesAddress(study_uid, uid)) for uid in wanted
        }
        return StudyContents({uid: rows for uid, rows in current.items() if rows}, odd=listing.odd)

    def listed_in(self, series: SeriesAddress) -> frozenset[str]:
        """The SOP Instance UIDs that any listing shows there, stale rows left out."""
        listing = self.listing_of((series.study_uid, series.series_uid))
        if listing.problem is None:
            return listing.series.get(series.series_uid, _NOTHING)
        return self.partial_listings.get(series, _NOTHING)

    def shows(self, instance: InstanceAddress) -> bool | None:
        """Whether the listing of its study or series has a row that is or may be it, stale or not.

        None if there is no such listing. Of a partial listing, only for what is kept by name.
        """
        study_uid, series_uid, uid = instance
        for target in ((study_uid, None), (study_uid, series_uid)):
            listing = self.listings.get(target, _NOT_LISTED)
            if listing.problem is None:
                is_listed = uid in listing.series.get(series_uid, _NOTHING)
                return is_listed or listing.odd.may_be(*instance)
        is_whole = instance.series in self.seen_whole
        return uid in self.partial_listings[instance.series] if is_whole else None

    def listing_problem(self, study_uid: str) -> str | None:
        """What hid the listing of a study."""
        return self.listings.get((study_uid, None), _NOT_LISTED).problem

    def probed_in(self, series: SeriesAddress) -> Mapping[str, Observation]:
        """What probes say of the series' instances."""
        return self.probes.get(series, {})

    def note_probe(self, instance: InstanceAddress, seen: Observation) -> None:
        """Take note of what a probe says; from any thread."""
        self.probes.setdefault(instance.series, {})[instance.instance_uid] = seen

    def by_probe(self, presence: Presence) -> Iterator[InstanceAddress]:
        """Every instance of which a probe says this; a listing is not enough."""
        for series, seen in self.probes.items():
            for uid, observation in seen.items():
                if observation.presence is presence:
                    yield InstanceAddress(*series, uid)

    def downgraded(self, unknown: Observation) -> Facts:
        """The same facts, with ``unknown`` in the place of every proof of absence."""
        return Facts(
            self.listings,
            self.partial_listings,
            probes={series: _downgraded(seen, unknown) for series, seen in self.probes.items()},
            target_probes=_downgraded(self.target_probes, unknown),
        )

    def _without_stale(self, listing: StudyContents, series: SeriesAddress) -> frozenset[str]:
        rows = listing.series.get(series.series_uid, _NOTHING)
        seen = self.probes.get(series)
        if not seen:
            return rows
        # In one step, since other threads may be taking note of more.
        found = tuple(seen.items())
        stale = {uid for uid, observation in found if observation.presence is Presence.ABSENT}
        return rows if stale.isdisjoint(rows) else rows - stale


def _downgraded(seen: Mapping[K, Observation], unknown: Observation) -> dict[K, Observation]:
    return {
        key: unknown if observation.presence is Presence.ABSENT else observation
        for key, observation in seen.items()
    }
