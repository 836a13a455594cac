"""From what was seen of a store to its `LiveStore`, as pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.model.address import InstanceAddress, SeriesAddress, StoreAddress
from reconciler.model.live import (
    PRESENT,
    LiveStore,
    Observation,
    Observations,
    OddRow,
    Presence,
    Referrers,
    StudyContents,
    unknown,
)
from reconciler.survey.facts import Facts, StudyOrSeries
from reconciler.survey.questions import Questions


def conclude(store: StoreAddress, questions: Questions, facts: Facts) -> LiveStore:
    """Answer the questions out of the facts."""
    shared = _shared(questions, facts)
    return LiveStore(
        store,
        {
            series: _observations(series, questions, facts, shared.get(series, ()))
            for series in _answered(questions, facts)
        },
        {target: _presence_of_target(target, questions, facts) for target in questions.targets},
        _contents(questions, facts),
        {
            instance: found
            for instance, found in facts.searches.items()
            if not isinstance(found, str) and found
        },
        _referrers(facts),
        {
            SeriesAddress(study_uid, uid): seen
            for (study_uid, _), listing in facts.listings.items()
            for uid, seen in listing.seen.items()
        },
    )


def _answered(questions: Questions, facts: Facts) -> set[SeriesAddress]:
    """Every series of which an instance is named, or that an entry was expanded to."""
    expanded = {
        SeriesAddress(target[0], series_uid)
        for target in questions.targets
        for series_uid in facts.listing_of(target).series
    }
    return expanded | questions.named_series


def _shared(questions: Questions, facts: Facts) -> dict[SeriesAddress, list[str]]:
    """The addresses that several patients share, less what is kept: there they are present."""
    shared: dict[SeriesAddress, list[str]] = {}
    for listing in facts.listings.values():
        for row in listing.odd.rows:
            if row.is_shared:
                instance = InstanceAddress(*map(str, row.uids))
                if questions.keeps.whole(instance.series) is None:
                    shared.setdefault(instance.series, []).append(instance.instance_uid)
    return {
        series: [uid for uid in uids if uid not in kept]
        for series, uids in shared.items()
        for kept in [questions.kept_in(series)]
    }


def _observations(
    series: SeriesAddress, questions: Questions, facts: Facts, shared: Iterable[str]
) -> Observations:
    """What a listing shows, and over it what probes say of it and of what is named.

    A listing may decide that a remove is present, never that it is absent, and never which of the
    instances at an address that several patients share is meant.
    """
    rows, removed = facts.listed_in(series), questions.removed_in(series)
    named = removed | questions.kept_in(series)
    probed = {
        uid: seen for uid, seen in facts.probed_in(series).items() if uid in rows or uid in named
    }
    problem = facts.listing_problem(series.study_uid)
    if problem is not None:
        unlisted = unknown(f"its study could not be listed: {problem}")
        return Observations(rows, probed | dict.fromkeys(removed, unlisted))
    probed |= dict.fromkeys(shared, unknown("several patients share this address"))
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


def _presence_of_target(target: StudyOrSeries, questions: Questions, facts: Facts) -> Observation:
    listing = facts.listing_of(target)
    if listing.problem is not None:
        return unknown(f"it could not be listed: {listing.problem}")
    if target not in questions.kept_targets and (odd := _left_behind(target, questions, listing)):
        more = f", and {len(odd) - 1} more" if len(odd) > 1 else ""
        return unknown(
            "it cannot be removed as a whole: its listing has rows that no request can address"
            f" ({odd[0]}{more}); name its other instances one by one"
        )
    if not listing.series and target not in facts.target_probes:
        return unknown("the instances that its listing shows turned out to be absent")
    return facts.target_probes.get(target, PRESENT)


def _left_behind(target: StudyOrSeries, questions: Questions, listing: StudyContents) -> list[str]:
    """The odd rows of a removed study or series that no keep covers."""
    uids = tuple(uid for uid in target if uid is not None)
    return sorted(
        str(row)
        for row in listing.odd.rows
        if not row.is_shared and row.may_be(*uids) and not _is_kept(row, target[0], questions)
    )


def _is_kept(row: OddRow, study_uid: str, questions: Questions) -> bool:
    series = SeriesAddress(study_uid, row.bare[1] or "")
    return questions.keeps.whole(series) is not None


def _contents(questions: Questions, facts: Facts) -> Mapping[str, StudyContents]:
    """What the touched studies hold: what is listed, and what a probe found besides."""
    found: dict[str, list[InstanceAddress]] = {}
    for instance in facts.by_probe(Presence.PRESENT):
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
    return StudyContents({uid: series[uid] for uid in sorted(series)}, odd=listing.odd)


def _referrers(facts: Facts) -> Mapping[str, Referrers]:
    """Of each study that was listed as a whole, what may refer to others.

    What only a probe found is of a class that nobody reported, so it may.
    """
    absent = frozenset(facts.by_probe(Presence.ABSENT))
    unlisted: dict[str, set[InstanceAddress]] = {}
    for instance in facts.by_probe(Presence.PRESENT):
        if facts.shows(instance) is False:
            unlisted.setdefault(instance.study_uid, set()).add(instance)
    return {
        study_uid: replace(
            listing.referrers,
            instances=(listing.referrers.instances - absent) | unlisted.get(study_uid, set()),
        )
        for (study_uid, series_uid), listing in sorted(facts.listings.items(), key=_by_study)
        if series_uid is None and listing.problem is None
    }


def _by_study(item: tuple[StudyOrSeries, StudyContents]) -> str:
    return item[0][0]
