"""What has to be asked of a store for a desired state, as pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

from reconciler.live.facts import Facts, Whole
from reconciler.model.address import InstanceAddress
from reconciler.model.desired import Claims, DesiredStore


@dataclass(frozen=True, slots=True)
class Questions:
    """The desired state by what is asked about it; ``removed`` leaves out what is also kept."""

    kept: Set[InstanceAddress]
    removed: Set[InstanceAddress]
    kept_wholes: Set[Whole]
    removed_wholes: Set[Whole]
    touched_studies: Set[str]

    @property
    def wholes(self) -> Set[Whole]:
        """Every series and study that an entry names as a whole."""
        return self.kept_wholes | self.removed_wholes


def questions_of(desired: DesiredStore) -> Questions:
    """Read off what must be known."""
    kept = frozenset(_listed(desired.keeps))
    return Questions(
        kept,
        frozenset(_listed(desired.removes)) - kept,
        _wholes(desired.keeps),
        _wholes(desired.removes),
        frozenset(desired.removes.studies()),
    )


def listings_to_read(questions: Questions) -> list[Whole]:
    """One listing for each touched study, and one for each kept whole elsewhere."""
    studies = questions.touched_studies | {
        study_uid for study_uid, series_uid in questions.kept_wholes if series_uid is None
    }
    series = {whole for whole in questions.kept_wholes if whole[0] not in studies}
    return sorted({(uid, None) for uid in studies} | series, key=_sort_key)


def instances_to_probe(
    questions: Questions, facts: Facts, deleted: Set[InstanceAddress]
) -> list[InstanceAddress]:
    """What a listing may not decide.

    Everything kept; the removes that no fresh listing shows; and every listed row that is
    recorded as deleted, since a listing lags behind deletions.
    """
    removes = {
        instance
        for instance in questions.removed
        if not facts.is_listed(instance) and facts.listing_problem(instance.study_uid) is None
    }
    stale = {
        row
        for rows in facts.listings.values()
        if not isinstance(rows, str)
        for row in rows
        if row in deleted
    }
    return sorted(questions.kept | removes | stale)


def instances_to_search(
    questions: Questions, facts: Facts, deleted: Set[InstanceAddress]
) -> list[InstanceAddress]:
    """The absent removes that nobody has deleted: they may be misplaced."""
    return sorted(
        instance
        for instance in questions.removed
        if facts.is_absent(instance) and instance not in deleted
    )


def wholes_to_confirm(questions: Questions, facts: Facts) -> list[Whole]:
    """The wholes that are listed so far by nothing that a retrieve has confirmed.

    A removed whole needs a confirmation only if nothing of it is listed; a kept one always.
    """
    return sorted(_unconfirmed(questions, facts), key=_sort_key)


def _unconfirmed(questions: Questions, facts: Facts) -> Iterator[Whole]:
    for whole in questions.wholes:
        rows = facts.listing_of(whole)
        if isinstance(rows, str):
            continue
        suffices = whole not in questions.kept_wholes or any(map(facts.is_present, rows))
        if not rows or not suffices:
            yield whole


def _listed(claims: Claims) -> Iterator[InstanceAddress]:
    for entry in claims.entries:
        if entry.series_uid is None or entry.instances is None:
            continue
        for uid in entry.instances.uids:
            yield InstanceAddress(entry.study_uid, entry.series_uid, uid)


def _wholes(claims: Claims) -> frozenset[Whole]:
    return frozenset(
        (entry.study_uid, entry.series_uid) for entry in claims.entries if entry.is_whole
    )


def _sort_key(whole: Whole) -> tuple[str, str]:
    return whole[0], whole[1] or ""
