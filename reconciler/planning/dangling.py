"""What stays and refers to what is deleted: a kept one stops the plan, any other is said.

A reference to what is not in the store anyway is none of the plan's doing, and what the plan itself
removes refers to nothing afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import replace
from functools import partial

from reconciler.model.address import InstanceAddress, SeriesAddress
from reconciler.model.desired import DesiredStore
from reconciler.model.live import References, ReferencesSeen
from reconciler.model.plan import (
    Dangling,
    Finding,
    MayRefer,
    NotLookedAt,
    ReferredSeries,
    StorePlan,
    Unread,
    Why,
)
from reconciler.model.problem import Source
from reconciler.planning.planner import finding_order
from reconciler.planning.series import line_of

_NAMED = 5
"""So many of the instances of a series that something refers to are named; the rest are counted."""


Locate = Callable[[Set[str]], tuple[Mapping[str, SeriesAddress], Mapping[str, str]]]
"""The series of each of these SOP Instance UIDs that is deleted, and the study of each of these
Series Instance UIDs of a series that is emptied."""


def with_references(
    plan: StorePlan, desired: DesiredStore, seen: ReferencesSeen, locate: Locate | None = None
) -> StorePlan:
    """The store's plan, in which it is said what it leaves dangling.

    What is kept and could not be read makes it incomplete. Where this is a part of a plan,
    ``locate`` knows what the whole deletes.
    """
    stays = _Staying(desired)
    found = {one: refers for one, refers in seen.found.items() if not stays.is_removed(one)}
    unread = {one: why for one, why in seen.unread.items() if not stays.is_removed(one)}
    named: set[str] = set().union(*(one.instances | one.series for one in found.values()))
    addresses, emptied = (locate or partial(locate_in, plan))(named) if named else ({}, {})
    return replace(
        plan,
        findings=tuple(sorted([*plan.findings, *_unclear(seen, unread, stays)], key=finding_order)),
        dangling=tuple(
            Dangling(*one, stays.kept_by(one), _refers_to(refers, addresses, emptied))
            for one, refers in sorted(found.items())
            if refers.instances or refers.series
        ),
        may_refer=tuple(
            MayRefer(*one, stays.kept_by(one))
            for one, refers in sorted(found.items())
            if refers.by_frame_alone
        ),
        not_looked_at=NotLookedAt(
            tuple(
                Unread(*one, why) for one, why in sorted(unread.items()) if not stays.kept_by(one)
            ),
            seen.more_instances,
            seen.more_studies,
            seen.unreported,
        ),
    )


class _Staying:
    """What the files say of instances that a plan does not delete."""

    def __init__(self, desired: DesiredStore) -> None:
        self._keeps = desired.keeps
        self._removes = desired.removes
        self._named: dict[SeriesAddress, Mapping[str, Source]] = {}

    def kept_by(self, instance: InstanceAddress) -> Source | None:
        """The line that keeps it, the narrowest entry's."""
        series = instance.series
        if series not in self._named:
            claims = self._keeps.listed(series)
            self._named[series] = {uid: line_of(claim.source) for uid, claim in claims.items()}
        if source := self._named[series].get(instance.instance_uid):
            return source
        whole = self._keeps.whole(series)
        return line_of(whole.source) if whole else None

    def is_removed(self, instance: InstanceAddress) -> bool:
        """Whether a file asks for its removal, which nothing overrides.

        The plan does not delete it, since the store gave no clear answer about it.
        """
        if self.kept_by(instance) is not None:
            return False
        removes, series = self._removes, instance.series
        return removes.whole(series) is not None or instance.instance_uid in removes.listed(series)

    def keep_in(self, study_uid: str) -> Source:
        """The first line that keeps something in a study."""
        entries = (one for one in self._keeps.entries if one.study_uid == study_uid)
        return line_of(min(one.source for one in entries))


def _unclear(
    seen: ReferencesSeen, unread: Mapping[InstanceAddress, str], stays: _Staying
) -> Iterator[Finding]:
    for instance, why in unread.items():
        if source := stays.kept_by(instance):
            detail = f"whether it refers to what is deleted is not known: {why}"
            yield Finding(Why.PROBE_FAILED, *instance, source, detail)
    for study_uid, why in seen.unlisted.items():
        detail = f"what in it refers to what is deleted is not known: {why}"
        source = stays.keep_in(study_uid)
        yield Finding(Why.PROBE_FAILED, study_uid, None, None, source, detail)


def locate_in(
    plan: StorePlan, named: Set[str]
) -> tuple[Mapping[str, SeriesAddress], Mapping[str, str]]:
    """As `Locate`, of what a plan deletes."""
    instances = {one.instance_uid: one.series for one in plan.deletions() if one[2] in named}
    emptied = {
        series.series_uid: study.study_uid
        for study in plan.studies
        for series in study.series
        if series.emptied and series.series_uid in named
    }
    return instances, emptied


def _refers_to(
    refers: References, addresses: Mapping[str, SeriesAddress], emptied: Mapping[str, str]
) -> tuple[ReferredSeries, ...]:
    """Some objects name a series where an instance is due, or the other way round.

    So what a UID names is decided by what the plan deletes under it.
    """
    named = refers.instances | refers.series
    whole = {SeriesAddress(emptied[uid], uid) for uid in named & emptied.keys()}
    by_series: dict[SeriesAddress, list[str]] = {series: [] for series in whole}
    for uid in sorted(named & addresses.keys()):
        by_series.setdefault(addresses[uid], []).append(uid)
    return tuple(
        ReferredSeries(*series, len(uids), tuple(uids[:_NAMED]), as_a_whole=series in whole)
        for series, uids in sorted(by_series.items())
    )
