"""What a plan leaves dangling, over random graphs of references, against a model of sets."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import LiveError
from reconciler.model.address import InstanceAddress, SeriesAddress, StoreAddress
from reconciler.model.desired import (
    Claims,
    DesiredStore,
    Entry,
    EntryKind,
    InstanceList,
    Limits,
    Reason,
    ReasonCode,
)
from reconciler.model.gate import GateName
from reconciler.model.live import (
    LISTED,
    PRESENT,
    LiveStore,
    References,
    ReferencesSeen,
    Referrer,
    Referrers,
    StudyContents,
    UnreportedImage,
    unknown,
)
from reconciler.model.plan import NotLookedAt, Plan, StorePlan, Why
from reconciler.model.problem import Source
from reconciler.planning.dangling import with_references
from reconciler.planning.gates import evaluate_gates
from reconciler.planning.planner import plan_store
from reconciler.survey import references as survey
from reconciler.survey.references import read_references

STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
REASON = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED)
ALL = [
    InstanceAddress(f"1.{study}", f"1.{study}.{series}", f"1.{study}.{series}.{number}")
    for study in (1, 2, 3)
    for series in (1, 2)
    for number in (1, 2, 3)
]
UIDS = [one.instance_uid for one in ALL]
SERIES = sorted({one.series_uid for one in ALL})


@dataclass(frozen=True)
class Ground:
    """What a store holds and what files ask of it; ``graph`` are the references."""

    graph: Mapping[InstanceAddress, References]
    """Of each instance that may refer to others; the UIDs of some are in no store."""
    removes: frozenset[tuple[str, ...]]
    keeps: frozenset[tuple[str, ...]]
    unread: frozenset[InstanceAddress]
    long: int
    """So many referrers of a series are asked for together."""


ENTRIES = st.sampled_from([tuple(one)[:depth] for one in ALL for depth in (1, 2, 3)])
REFERENCES = st.builds(
    References,
    st.frozensets(st.sampled_from([*UIDS, "1.9.9", "1.9.8"]), max_size=4),
    st.frozensets(st.sampled_from([*SERIES, "1.9"]), max_size=2),
)
GROUNDS = st.builds(
    Ground,
    st.dictionaries(st.sampled_from(ALL), REFERENCES),
    st.frozensets(ENTRIES, min_size=1, max_size=4),
    st.frozensets(ENTRIES, max_size=4),
    st.frozensets(st.sampled_from(ALL), max_size=3),
    st.integers(1, 4),
)


class Graph:
    """A store that lists and answers what the ground says."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.requests = 0

    def list_instances(self, study_uid: str) -> Iterator[InstanceAddress]:
        self.requests += 1
        for one in ALL:
            if one.study_uid == study_uid:
                yield Referrer(*one) if one in self._ground.graph else one

    def references(self, instance: InstanceAddress, among: Set[str]) -> References:
        self.requests += 1
        if instance in self._ground.unread:
            raise LiveError("HTTP 503")
        found = self._ground.graph[instance]
        nothing = not (found.instances or found.series)
        return References(found.instances & among, found.series & among, by_frame_alone=nothing)

    def references_of_series(
        self, series: SeriesAddress, among: Set[str]
    ) -> Mapping[str, References]:
        self.requests += 1
        return {
            one.instance_uid: Graph(self._ground).references(one, among)
            for one in self._ground.graph
            if one.series == series and one not in self._ground.unread
        }


def entry(intent: EntryKind, address: tuple[str, ...], line: int) -> Entry:
    study, series, uid = (*address, None, None)[:3]
    listed = InstanceList((uid,), array("l", [line]), array("l", [9])) if uid else None
    reason = REASON if intent is EntryKind.REMOVE else None
    return Entry(intent, str(study), series, listed, Source("specs/a.yaml", line, 5), reason)


def lines_of(addresses: frozenset[tuple[str, ...]], first: int) -> dict[tuple[str, ...], int]:
    return {address: first + number for number, address in enumerate(sorted(addresses))}


def desired_of(ground: Ground) -> DesiredStore:
    removes, keeps = lines_of(ground.removes, 100), lines_of(ground.keeps, 500)
    return DesiredStore(
        STORE,
        Limits(),
        Claims(tuple(entry(EntryKind.REMOVE, *pair) for pair in removes.items())),
        Claims(tuple(entry(EntryKind.KEEP, *pair) for pair in keeps.items())),
    )


def live_of(ground: Ground, desired: DesiredStore) -> LiveStore:
    series: dict[str, dict[str, frozenset[str]]] = {}
    for one in ALL:
        members = series.setdefault(one.study_uid, {})
        members[one.series_uid] = members.get(one.series_uid, frozenset()) | {one.instance_uid}
    touched = desired.removes.studies()
    kept_as_a_whole = {address[0] for address in ground.keeps if len(address) == 1}
    return LiveStore(
        STORE,
        {one.series: dict.fromkeys(UIDS_OF[one.series], LISTED) for one in ALL},
        {(*address, None)[:2]: PRESENT for address in ground.removes | ground.keeps},
        {uid: StudyContents(series[uid]) for uid in touched},
        {},
        {
            uid: Referrers(
                frozenset(one for one in ground.graph if one.study_uid == uid),
                frozenset(one.series for one in ALL[::2]),
            )
            for uid in touched | kept_as_a_whole
        },
    )


UIDS_OF: dict[SeriesAddress, list[str]] = {}
for _one in ALL:
    UIDS_OF.setdefault(_one.series, []).append(_one.instance_uid)


def covered(one: InstanceAddress, addresses: frozenset[tuple[str, ...]]) -> bool:
    return any(tuple(one)[: len(address)] == address for address in addresses)


@given(GROUNDS)
def test_what_dangles_is_what_a_model_of_sets_says(ground: Ground) -> None:
    desired = desired_of(ground)
    live = live_of(ground, desired)
    before = plan_store(desired, live)
    graph = Graph(ground)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "FEWEST_OF_A_SERIES", ground.long)
        seen = read_references(desired, live, before, graph, parallelism=2)  # type: ignore[arg-type]
    plan = with_references(before, desired, seen)

    deleted = {
        one for one in ALL if covered(one, ground.removes) and not covered(one, ground.keeps)
    }
    gone = {one.instance_uid for one in deleted}
    emptied = {series.series_uid for series, uids in UIDS_OF.items() if set(uids) <= gone}
    studies = {address[0] for address in ground.removes | ground.keeps}
    staying = {one for one in ground.graph if one not in deleted and one.study_uid in studies}
    read = staying - ground.unread if deleted else set()

    expected = {
        one: (refers.instances & gone, refers.series & emptied)
        for one, refers in ground.graph.items()
        if one in read and (refers.instances & gone or refers.series & emptied)
    }
    found = {
        InstanceAddress(one.study_uid, one.series_uid, one.instance_uid): one
        for one in plan.dangling
    }
    assert found.keys() == expected.keys()
    for one, (instances, series) in expected.items():
        refers_to = found[one].refers_to
        assert sum(part.instances for part in refers_to) == len(instances)
        assert {uid for part in refers_to for uid in part.first} == instances  # five at most
        assert {part.series_uid for part in refers_to if part.as_a_whole} == series
        assert {part.series_uid for part in refers_to} == series | {
            other.series_uid for other in ALL if other.instance_uid in instances
        }
        assert (found[one].kept_by is not None) == covered(one, ground.keeps)

    kept = {one for one in found if covered(one, ground.keeps)}
    gates = {gate.name: gate for gate in evaluate_gates(Plan((), (), (plan,)))}
    assert gates[GateName.MAX_DANGLING].actual == len(kept)
    frames = {
        InstanceAddress(one.study_uid, one.series_uid, one.instance_uid) for one in plan.may_refer
    }
    assert frames == {
        one for one in read if not (ground.graph[one].instances or ground.graph[one].series)
    }

    silent = staying & ground.unread if deleted else set()
    unclear = {one.subject for one in plan.findings if one.why is Why.PROBE_FAILED}
    assert unclear == {one for one in silent if covered(one, ground.keeps)}
    left = {
        (one.study_uid, one.series_uid, one.instance_uid) for one in plan.not_looked_at.instances
    }
    assert left == {one for one in silent if not covered(one, ground.keeps)}
    if not deleted:
        assert graph.requests == 0


def kept_studies(count: int) -> frozenset[tuple[str, ...]]:
    return frozenset(
        (f"1.5.{number}", f"1.5.{number}.1", f"1.5.{number}.1.1") for number in range(count)
    )


class Many:
    """A store with one report in each study; ``bad`` studies cannot be listed."""

    def __init__(self, bad: Set[str] = frozenset()) -> None:
        self.listed: list[str] = []
        self.read: list[InstanceAddress] = []
        self._bad = bad

    def list_instances(self, study_uid: str) -> Iterator[InstanceAddress]:
        self.listed.append(study_uid)
        if study_uid in self._bad:
            raise LiveError("HTTP 500")
        yield Referrer(study_uid, f"{study_uid}.1", f"{study_uid}.1.1")
        yield Referrer(study_uid, f"{study_uid}.2", f"{study_uid}.2.1")
        yield UnreportedImage(study_uid, f"{study_uid}.3", f"{study_uid}.3.1")

    def references(self, instance: InstanceAddress, among: Set[str]) -> References:
        self.read.append(instance)
        return References(frozenset({"1.1.1.1"}) & among)


def looked(count: int, store: Many, listed: int = 0) -> StorePlan:
    """A plan that deletes one instance, beside so many studies of keeps, some of them listed."""
    ground = Ground({}, frozenset({tuple(ALL[0])}), kept_studies(count), frozenset(), 99)
    desired = desired_of(ground)
    live = live_of(ground, desired)
    known = {}
    for uid in sorted(desired.keeps.studies())[:listed]:
        found = frozenset(one for one in Many().list_instances(uid) if isinstance(one, Referrer))
        known[uid] = Referrers(found)
    live = LiveStore(
        STORE, live.instances, live.targets, live.contents, {}, {**live.referrers, **known}
    )
    plan = plan_store(desired, live)
    return with_references(
        plan,
        desired,
        read_references(desired, live, plan, store, parallelism=1),  # type: ignore[arg-type]
    )


def test_no_more_than_a_thousand_requests_go_to_studies_of_keeps() -> None:
    store = Many()
    plan = looked(600, store)
    assert len(store.listed) == 166
    assert len(store.read) == 332
    assert 3 * len(store.listed) + len(store.read) <= survey.MOST_REQUESTS
    assert (plan.not_looked_at.more_studies, plan.not_looked_at.more_instances) == (434, 0)
    assert plan.not_looked_at.unreported == 166


def test_what_is_kept_is_read_before_what_lies_beside_it() -> None:
    store = Many()
    plan = looked(600, store, listed=600)
    assert store.listed == []
    assert len(store.read) == survey.MOST_REQUESTS
    assert all(one.instance_uid.endswith(".1.1") for one in store.read[:600])
    assert plan.not_looked_at.more_instances == 200
    assert sum(one.kept_by is not None for one in plan.dangling) == 600


def test_what_a_file_wants_removed_does_not_dangle_though_the_plan_leaves_it() -> None:
    """The store gave no clear answer about it, which blocks the plan by itself."""
    removed, unclear = ALL[0], ALL[1]
    ground = Ground({}, frozenset({tuple(removed), tuple(unclear)}), frozenset(), frozenset(), 9)
    desired = desired_of(ground)
    live = live_of(ground, desired)
    of_series = {**live.instances[unclear.series], unclear.instance_uid: unknown("HTTP 503")}
    instances = {**live.instances, unclear.series: of_series}
    live = LiveStore(STORE, instances, live.targets, live.contents, {}, live.referrers)
    plan = plan_store(desired, live)
    assert [*plan.deletions()] == [removed]
    refers = References(frozenset({removed.instance_uid}))
    found = ReferencesSeen({unclear: refers, ALL[2]: refers}, {unclear: "HTTP 503"})
    after = with_references(plan, desired, found)
    assert [one.instance_uid for one in after.dangling] == [ALL[2].instance_uid]
    assert (after.findings, after.not_looked_at) == (plan.findings, NotLookedAt())


def test_a_study_of_keeps_that_cannot_be_listed_makes_the_plan_incomplete() -> None:
    before = looked(1, Many()).count(Why.PROBE_FAILED)
    plan = looked(1, Many(bad={"1.5.0"}))
    assert plan.count(Why.PROBE_FAILED) == before + 1
    (finding,) = [one for one in plan.findings if one.subject == ("1.5.0", None, None)]
    assert finding.source == Source("specs/a.yaml", 500)
    assert "HTTP 500" in finding.detail
