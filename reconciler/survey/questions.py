"""What a desired state asks about a store, and nothing about how it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

from reconciler.model.address import SeriesAddress
from reconciler.model.desired import Claims, DesiredStore, Entry
from reconciler.survey.facts import StudyOrSeries


@dataclass(frozen=True, slots=True)
class Questions:
    """The desired state by what is asked about it."""

    removes: Claims
    keeps: Claims
    kept_targets: Set[StudyOrSeries]
    removed_targets: Set[StudyOrSeries]
    touched_studies: Set[str]

    @property
    def targets(self) -> Set[StudyOrSeries]:
        """Every series and study that an entry names as a whole."""
        return self.kept_targets | self.removed_targets

    @property
    def named_series(self) -> Set[SeriesAddress]:
        """Every series of which instances are named one by one."""
        return self.keeps.listed_series() | self.removes.listed_series()

    def spelled_in(self, study_uid: str) -> dict[str, str]:
        """Each SOP Instance UID that is named in the study, as the very object that names it."""
        return {
            uid: uid
            for claims in (self.removes, self.keeps)
            for entry in claims.listing_in_study(study_uid)
            for uid in uids_of(entry)
        }

    def kept_in(self, series: SeriesAddress) -> set[str]:
        """The instances of the series that are kept by name."""
        return set(_named(self.keeps, series))

    def removed_in(self, series: SeriesAddress) -> set[str]:
        """The instances of the series that are removed by name, less what is also kept."""
        return set(_named(self.removes, series)) - self.kept_in(series)


def questions_of(desired: DesiredStore) -> Questions:
    """Read off what must be known."""
    return Questions(
        desired.removes,
        desired.keeps,
        _targets(desired.keeps),
        _targets(desired.removes),
        frozenset(desired.removes.studies()),
    )


def _named(claims: Claims, series: SeriesAddress) -> Iterator[str]:
    for entry in claims.listing(series):
        yield from uids_of(entry)


def uids_of(entry: Entry) -> tuple[str, ...]:
    """The instances that an entry names one by one."""
    return entry.instances.uids if entry.instances is not None else ()


def _targets(claims: Claims) -> frozenset[StudyOrSeries]:
    return frozenset(
        (entry.study_uid, entry.series_uid) for entry in claims.entries if entry.is_whole
    )
