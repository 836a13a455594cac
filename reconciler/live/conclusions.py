"""From what was seen of a store to its `LiveStore`, as pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.live.facts import Facts, Whole
from reconciler.live.questions import Questions
from reconciler.model.address import InstanceAddress, SeriesAddress, StoreAddress
from reconciler.model.live import (
    PRESENT,
    LiveStore,
    Observation,
    Observations,
    StudyContents,
    unknown,
)


def conclude(store: StoreAddress, questions: Questions, facts: Facts) -> LiveStore:
    """Answer the questions out of the facts."""
    return LiveStore(
        store,
        {series: _observations(series, questions, facts) for series in _answered(questions, facts)},
        {whole: _whole(whole, facts) for whole in questions.wholes},
        _contents(questions, facts),
        {
            instance: found
            for instance, found in facts.searches.items()
            if not isinstance(found, str) and found
        },
    )


def _answered(questions: Questions, facts: Facts) -> set[SeriesAddress]:
    """Every series of which an instance is named, or that a whole was expanded to."""
    expanded = {
        SeriesAddress(whole[0], series_uid)
        for whole in questions.wholes
        for series_uid in facts.listing_of(whole).series
    }
    return expanded | questions.named_series


def _observations(series: SeriesAddress, questions: Questions, facts: Facts) -> Observations:
    """What a listing shows, and over it what probes say of it and of what is named.

    A listing may decide that a remove is present, never that it is absent.
    """
    rows, removed = facts.listed_in(series), questions.removed_in(series)
    named = removed | questions.kept_in(series)
    probed = {
        uid: seen for uid, seen in facts.probed_in(series).items() if uid in rows or uid in named
    }
    problem = facts.listing_problem(series.study_uid)
    if problem is not None:
        doubt = unknown(f"its study could not be listed: {problem}")
        return Observations(rows, probed | dict.fromkeys(removed, doubt))
    hidden = (uid for uid in probed if uid in removed)
    return Observations(rows, probed | dict(_unsearched(series, hidden, facts)))


def _unsearched(
    series: SeriesAddress, uids: Iterable[str], facts: Facts
) -> Iterator[tuple[str, Observation]]:
    """The absences that may be misplacements, since the search for them failed."""
    for uid in uids:
        found = facts.searches.get(InstanceAddress(*series, uid))
        if isinstance(found, str):
            what = "absent here, but the store could not be searched for it"
            yield uid, unknown(f"{what}: {found}")


def _whole(whole: Whole, facts: Facts) -> Observation:
    listing = facts.listing_of(whole)
    if listing.problem is not None:
        return unknown(f"it could not be listed: {listing.problem}")
    if not listing.series and whole not in facts.whole_probes:
        return unknown("the instances that its listing shows turned out to be absent")
    return facts.whole_probes.get(whole, PRESENT)


def _contents(questions: Questions, facts: Facts) -> Mapping[str, StudyContents]:
    """What the touched studies hold: what is listed, and what a probe found besides."""
    found: dict[str, list[InstanceAddress]] = {}
    for instance in facts.present_by_probe():
        found.setdefault(instance.study_uid, []).append(instance)
    return {
        study_uid: _study(facts.listing_of((study_uid, None)), found.get(study_uid, ()))
        for study_uid in sorted(questions.touched_studies)
    }


def _study(listing: StudyContents, found: Iterable[InstanceAddress]) -> StudyContents:
    if listing.problem is not None:
        return listing
    series = dict(listing.series)
    for instance in found:
        rows = series.get(instance.series_uid, frozenset())
        if instance.instance_uid not in rows:
            series[instance.series_uid] = rows | {instance.instance_uid}
    return StudyContents({uid: series[uid] for uid in sorted(series)})
