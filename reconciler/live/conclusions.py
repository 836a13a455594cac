"""From what was seen of a store to its `LiveStore`, as pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.live.facts import Facts, Whole
from reconciler.live.questions import Questions
from reconciler.model.address import InstanceAddress, SeriesAddress, StoreAddress
from reconciler.model.live import LISTED, PRESENT, LiveStore, Observation, StudyContents, unknown

Instances = dict[SeriesAddress, dict[str, Observation]]


def conclude(store: StoreAddress, questions: Questions, facts: Facts) -> LiveStore:
    """Answer the questions out of the facts."""
    wholes = {whole: _whole(whole, facts) for whole in questions.wholes}
    return LiveStore(
        store,
        _instances(questions, facts),
        wholes,
        _contents(questions, facts),
        {
            instance: found
            for instance, found in facts.searches.items()
            if not isinstance(found, str) and found
        },
    )


def _instances(questions: Questions, facts: Facts) -> Instances:
    instances: Instances = {}
    for whole in questions.wholes:
        rows = facts.listing_of(whole)
        for row in () if isinstance(rows, str) else rows:
            _put(instances, row, facts.probes.get(row, LISTED))
    for instance in questions.removed:
        _put(instances, instance, _removed(instance, facts))
    for instance in questions.kept:
        _put(instances, instance, facts.probes[instance])
    return instances


def _put(instances: Instances, instance: InstanceAddress, seen: Observation) -> None:
    instances.setdefault(instance.series, {})[instance.instance_uid] = seen


def _removed(instance: InstanceAddress, facts: Facts) -> Observation:
    """A listing may decide that a remove is present, never that it is absent."""
    problem = facts.listing_problem(instance.study_uid)
    if problem is not None:
        return unknown(f"its study could not be listed: {problem}")
    found = facts.searches.get(instance)
    if isinstance(found, str):
        return unknown(f"absent here, but the store could not be searched for it: {found}")
    return facts.probes.get(instance, LISTED)


def _whole(whole: Whole, facts: Facts) -> Observation:
    rows = facts.listing_of(whole)
    if isinstance(rows, str):
        return unknown(f"it could not be listed: {rows}")
    if not rows and whole not in facts.whole_probes:
        return unknown("the instances that its listing shows turned out to be absent")
    return facts.whole_probes.get(whole, PRESENT)


def _contents(questions: Questions, facts: Facts) -> Mapping[str, StudyContents]:
    """What the touched studies hold: what is listed, and what a probe found besides."""
    unlisted: dict[str, list[InstanceAddress]] = {}
    for instance in facts.probes:
        if facts.is_present(instance):
            unlisted.setdefault(instance.study_uid, []).append(instance)
    return {
        study_uid: _study(facts, study_uid, unlisted.get(study_uid, ()))
        for study_uid in sorted(questions.touched_studies)
    }


def _study(facts: Facts, study_uid: str, unlisted: Iterable[InstanceAddress]) -> StudyContents:
    rows = facts.listing_of((study_uid, None))
    if isinstance(rows, str):
        return StudyContents(problem=rows)
    series: dict[str, set[str]] = {}
    for row in (*rows, *unlisted):
        series.setdefault(row.series_uid, set()).add(row.instance_uid)
    return StudyContents({uid: frozenset(series[uid]) for uid in sorted(series)})
