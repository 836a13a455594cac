"""Reads what the instances that stay refer to, of what a plan deletes.

It is asked after the plan is made, and only of a plan that deletes something: by one request for
each instance that may refer to others, or by one for a series of them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import groupby

from reconciler.errors import LiveError
from reconciler.live.store import ReadableStore
from reconciler.model.address import InstanceAddress, SeriesAddress
from reconciler.model.desired import Claims, DesiredStore
from reconciler.model.live import LiveStore, References, ReferencesSeen, Referrers
from reconciler.model.plan import StorePlan
from reconciler.survey.asking import Asking, ProgressCallback
from reconciler.survey.look import contents_of

MOST_REQUESTS = 1_000
"""How many requests go to studies from which the plan deletes nothing, since they hold keeps."""

_FOR_LISTING = 3
"""What the listing of a study counts for: a page, the empty one that ends it, a count of rows."""

FEWEST_OF_A_SERIES = 10
"""A series with so many that may refer to others, half of it at least, is asked for by one request
at first."""


def read_references(
    desired: DesiredStore,
    live: LiveStore,
    plan: StorePlan,
    store: ReadableStore,
    *,
    parallelism: int,
    on_progress: ProgressCallback | None = None,
    stop: threading.Event | None = None,
) -> ReferencesSeen:
    """Ask what stays in the studies that the plan touches, and in those of keeps.

    A plan that deletes nothing costs no request.

    Raises:
        LiveError: ``stop`` was set before the end.
    """
    if not plan.studies:
        return ReferencesSeen()
    asking = Asking(parallelism, on_progress, stop)
    deleted = deleted_by(plan)
    touched = read_touched(live, plan, store, asking, deleted)
    others = Beside.of(desired, live)
    beside = read_beside(desired.keeps, others, store, asking, deleted)
    return ReferencesSeen(
        dict(sorted({**touched.found, **beside.found}.items())),
        dict(sorted({**touched.unread, **beside.unread}.items())),
        beside.unlisted,
        beside.more_instances,
        beside.more_studies,
        touched.unreported + beside.unreported,
    )


@dataclass(frozen=True, slots=True)
class Beside:
    """The studies that hold keeps, and from which nothing is removed.

    ``listed`` has what was seen of those that were listed already.
    """

    studies: Sequence[str]
    listed: Mapping[str, Referrers]

    @classmethod
    def of(cls, desired: DesiredStore, live: LiveStore) -> Beside:
        """Those of a store, or of a part of it."""
        studies = sorted(desired.keeps.studies() - live.contents.keys())
        return cls(studies, {uid: live.referrers[uid] for uid in studies if uid in live.referrers})


def read_touched(
    live: LiveStore, plan: StorePlan, store: ReadableStore, asking: Asking, deleted: Set[str]
) -> ReferencesSeen:
    """Ask what stays in the studies that the plan touches.

    ``deleted`` are the UIDs of all instances that are deleted, and of all series that are emptied:
    by the plan, or by the whole that it is a part of.
    """
    touched = [live.referrers[uid] for uid in live.contents if uid in live.referrers]
    reading = _Reading(store, asking, deleted)
    instances = (one for study in touched for one in study.instances)
    if staying := sorted(plan.staying(instances)):
        reading.read(staying, _together(touched))
    return ReferencesSeen(
        dict(sorted(reading.found.items())),
        dict(sorted(reading.unread.items())),
        unreported=_unreported(touched, plan),
    )


def read_beside(
    keeps: Claims, beside: Beside, store: ReadableStore, asking: Asking, deleted: Set[str]
) -> ReferencesSeen:
    """Ask what the studies of keeps hold, by `MOST_REQUESTS` at most."""
    reading = _Reading(store, asking, deleted)
    unlisted = [uid for uid in beside.studies if uid not in beside.listed]
    listed_now = unlisted[: MOST_REQUESTS // 2 // _FOR_LISTING]
    if listed_now:
        reading.list_studies(listed_now)
    of_keeps = [*beside.listed.values(), *reading.listed.values()]
    instances = (one for study in of_keeps for one in study.instances)
    waiting = _kept_first(instances, keeps)
    left = MOST_REQUESTS - _FOR_LISTING * len(listed_now)
    if waiting:
        reading.read(waiting[:left], _together(of_keeps))
    return ReferencesSeen(
        dict(sorted(reading.found.items())),
        dict(sorted(reading.unread.items())),
        reading.unlisted,
        more_instances=len(waiting[left:]),
        more_studies=len(unlisted) - len(listed_now),
        unreported=sum(sum(study.unreported.values()) for study in of_keeps),
    )


def deleted_by(plan: StorePlan) -> Set[str]:
    """The UIDs of all instances that are deleted, and of all series that are emptied."""
    instances = {uid for _, _, uid in plan.deletions()}
    return instances | {
        series.series_uid for study in plan.studies for series in study.series if series.emptied
    }


def _unreported(studies: Iterable[Referrers], plan: StorePlan) -> int:
    """How many images that stay are not known to be derived or not; the most that it can be."""
    stays = {
        series.series_uid: series.instances - series.deletions
        for study in plan.studies
        for series in study.series
    }
    return sum(
        min(count, stays.get(uid, count))
        for study in studies
        for uid, count in study.unreported.items()
    )


def _together(studies: Iterable[Referrers]) -> Set[SeriesAddress]:
    """The series that are worth one request for all of it."""
    return {series for study in studies for series in study.series}


def _kept_first(instances: Iterator[InstanceAddress], keeps: Claims) -> list[InstanceAddress]:
    """What is kept, then what lies beside it; sorted, so that equal stores are asked alike."""
    kept: dict[SeriesAddress, Set[str]] = {}

    def is_beside(instance: InstanceAddress) -> bool:
        series = instance.series
        if keeps.whole(series) is not None:
            return False
        if series not in kept:
            kept[series] = keeps.listed(series).keys()
        return instance.instance_uid not in kept[series]

    return sorted(instances, key=lambda instance: (is_beside(instance), instance))


@dataclass(slots=True)
class _Reading:
    """What is read so far; each answer is written by one thread."""

    store: ReadableStore
    asking: Asking
    deleted: Set[str]
    found: dict[InstanceAddress, References] = field(default_factory=dict)
    answered: set[InstanceAddress] = field(default_factory=set)
    unread: dict[InstanceAddress, str] = field(default_factory=dict)
    listed: dict[str, Referrers] = field(default_factory=dict)
    unlisted: dict[str, str] = field(default_factory=dict)

    def list_studies(self, study_uids: Sequence[str]) -> None:
        """List studies for what in them may refer to others."""
        self.asking.ask(study_uids, self._list, len(study_uids))

    def read(self, instances: Sequence[InstanceAddress], together: Set[SeriesAddress]) -> None:
        """Read the references of instances; of these series together, where they are many."""
        by_series = {
            series: list(members)
            for series, members in groupby(sorted(instances), key=lambda one: one.series)
        }
        long = {
            series: members
            for series, members in by_series.items()
            if series in together and len(members) >= FEWEST_OF_A_SERIES
        }
        self.asking.ask(long.items(), self._read_series, len(long))
        rest = [instance for instance in instances if instance not in self.answered]
        self.asking.ask(rest, self._read, len(rest))

    def _list(self, study_uid: str) -> None:
        try:
            contents = contents_of(self.store.list_instances(study_uid), {})
        except LiveError as error:
            self.unlisted[study_uid] = str(error)
        else:
            self.listed[study_uid] = contents.referrers

    def _read_series(self, asked: tuple[SeriesAddress, Sequence[InstanceAddress]]) -> None:
        """Read what one request tells of a series; the rest of it is read one by one.

        It need not answer: the metadata of a series may be larger than any answer may be.
        """
        series, members = asked
        try:
            answers: Mapping[str, References] = self.store.references_of_series(
                series, self.deleted
            )
        except LiveError:
            return
        for instance in members:
            if instance.instance_uid in answers:
                self._note(instance, answers[instance.instance_uid])
                self.answered.add(instance)

    def _read(self, instance: InstanceAddress) -> None:
        try:
            self._note(instance, self.store.references(instance, self.deleted))
        except LiveError as error:
            self.unread[instance] = str(error)

    def _note(self, instance: InstanceAddress, references: References) -> None:
        if references.is_any:
            self.found[instance] = references
