"""What each stage of a survey asks, knowing the answers of those before it; pure functions.

A series is listed where that costs less than a probe of each instance that is asked about; what a
listing may not decide is probed.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from enum import StrEnum

from reconciler.model.address import InstanceAddress, SeriesAddress
from reconciler.model.desired import Claims
from reconciler.model.live import Presence
from reconciler.survey.facts import Facts, StudyOrSeries, WasDeleted
from reconciler.survey.questions import Questions, uids_of


class ProbeMode(StrEnum):
    """How presence is looked for; absence is confirmed by a retrieve in both."""

    AUTO = "auto"
    """By listings where they may decide and cost less, else by retrieves."""
    RETRIEVE = "retrieve"
    """Every instance that is named, or that an entry was expanded to, by a retrieve."""


ROWS_A_PROBE = 50
"""How many rows of a listing are read for the cost of a probe: 50 without latency, 150 at 50 ms."""

_FEWEST_TO_LIST = 2
"""One instance of a series is probed: that is one request, too."""

Batch = tuple[SeriesAddress, tuple[str, ...]]
"""Instances of a series, by their sorted SOP Instance UIDs."""


def listings_to_read(questions: Questions) -> list[StudyOrSeries]:
    """One listing for each touched study, and one for each kept study or series elsewhere."""
    studies = questions.touched_studies | {
        study_uid for study_uid, series_uid in questions.kept_targets if series_uid is None
    }
    series = {target for target in questions.kept_targets if target[0] not in studies}
    return sorted({(uid, None) for uid in studies} | series, key=_sort_key)


def series_to_list_partially(questions: Questions, facts: Facts) -> list[tuple[SeriesAddress, int]]:
    """The kept series that are worth a listing, with how many rows of it are worth reading."""
    worth = []
    for series in sorted(questions.keeps.listed_series()):
        is_listed = (series.study_uid, None) in facts.listings or tuple(series) in facts.listings
        kept = 0 if is_listed else len(questions.kept_in(series))
        if kept >= _FEWEST_TO_LIST:
            worth.append((series, kept * ROWS_A_PROBE))
    return worth


def instances_to_probe(
    questions: Questions, facts: Facts, was_deleted: WasDeleted, mode: ProbeMode
) -> list[Batch]:
    """What no listing may decide.

    One kept instance of each entry, and those that no listing shows; the removes that no up-to-date
    listing shows; and every listed row that is recorded as deleted, since a listing lags behind
    deletions.
    """
    listed = _listed_series(facts)
    batches = []
    for series in sorted(questions.named_series | listed):
        rows = facts.listed_in(series)
        wanted = _undecided(questions, facts, series, rows)
        wanted |= {uid for uid in rows if was_deleted(InstanceAddress(*series, uid))}
        if mode is ProbeMode.RETRIEVE:
            wanted |= _answerable(questions, facts, series)
            wanted |= rows if _is_whole(questions, series) else set()
        if wanted:
            batches.append((series, tuple(sorted(wanted))))
    return batches


def kept_to_confirm(questions: Questions, facts: Facts) -> list[Batch]:
    """The rest of each kept entry whose listed witness turned out to be absent."""
    batches = []
    for series in sorted(questions.keeps.listed_series()):
        probed, rest = facts.probed_in(series), set()
        for entry in questions.keeps.listing(series):
            uids = uids_of(entry)
            found = {probed[uid].presence for uid in uids if uid in probed}
            if Presence.ABSENT in found and Presence.PRESENT not in found:
                rest |= set(uids) - probed.keys()
        if rest:
            batches.append((series, tuple(sorted(rest))))
    return batches


def instances_to_search(
    questions: Questions, facts: Facts, was_deleted: WasDeleted
) -> list[InstanceAddress]:
    """The absent removes that nobody has deleted: they may be misplaced."""
    absent = []
    for series in sorted(questions.removes.listed_series()):
        probed = facts.probed_in(series)
        gone = {uid for uid, seen in probed.items() if seen.presence is Presence.ABSENT}
        wanted = gone and gone & questions.removed_in(series)
        absent += [InstanceAddress(*series, uid) for uid in sorted(wanted)]
    return [instance for instance in absent if not was_deleted(instance)]


def targets_to_confirm(questions: Questions, facts: Facts) -> list[StudyOrSeries]:
    """The targets that are listed so far by nothing that a retrieve has confirmed.

    A removed target needs a confirmation only if nothing of it is listed; a kept one always.
    """
    unconfirmed = []
    for target in questions.targets:
        listing = facts.listing_of(target)
        if listing.problem is None and not _suffices(target, listing.series, questions, facts):
            unconfirmed.append(target)
    return sorted(unconfirmed, key=_sort_key)


def _undecided(
    questions: Questions, facts: Facts, series: SeriesAddress, rows: frozenset[str]
) -> set[str]:
    """What is named in the series and no listing decides."""
    kept = questions.kept_in(series) - rows
    kept |= _witnesses(questions.keeps, series, rows)
    if facts.listing_problem(series.study_uid) is None:
        kept |= questions.removed_in(series) - rows
    return kept


def _answerable(questions: Questions, facts: Facts, series: SeriesAddress) -> set[str]:
    """All that is named in the series and that a probe can answer for."""
    is_hidden = facts.listing_problem(series.study_uid) is not None
    return questions.kept_in(series) | (set() if is_hidden else questions.removed_in(series))


def _witnesses(keeps: Claims, series: SeriesAddress, rows: frozenset[str]) -> set[str]:
    """The first listed instance of each kept entry."""
    first = (
        next((uid for uid in uids_of(entry) if uid in rows), None)
        for entry in keeps.listing(series)
    )
    return {uid for uid in first if uid is not None}


def _listed_series(facts: Facts) -> set[SeriesAddress]:
    """Every series that a listing of a target shows."""
    return {
        SeriesAddress(study_uid, series_uid)
        for (study_uid, _), listing in facts.listings.items()
        for series_uid in listing.series
    }


def _is_whole(questions: Questions, series: SeriesAddress) -> bool:
    return not questions.targets.isdisjoint({(series.study_uid, None), tuple(series)})


def _suffices(
    target: StudyOrSeries, rows: Mapping[str, Set[str]], questions: Questions, facts: Facts
) -> bool:
    if not rows or target not in questions.kept_targets:
        return bool(rows)
    return any(
        uid in members and seen.presence is Presence.PRESENT
        for series_uid, members in rows.items()
        for uid, seen in facts.probed_in(SeriesAddress(target[0], series_uid)).items()
    )


def _sort_key(target: StudyOrSeries) -> tuple[str, str]:
    return target[0], target[1] or ""
