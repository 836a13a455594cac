"""Limits of several files in one plan, against a model that counts each file by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.emulator import DEMO_STORE
from reconciler.model.desired import (
    LIMIT_KEYS,
    Claims,
    DesiredStore,
    Limits,
    Reason,
    ReasonCode,
    WrittenLimits,
    smallest_limits,
)
from reconciler.model.plan import DeletionGroup, SeriesPlan, StorePlan, StudyPlan
from reconciler.planning.gates import evaluate_gates
from reconciler.planning.limits import limits_of

from .test_planning_gates import plan_of

REASON = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED)
COUNTED = ("maxDeletions", "maxStudiesEmptied", "maxSeriesEmptied")
PATHS = ("a.yaml", "a.csv", "b.yaml", "c.yaml")


@st.composite
def series(draw: st.DrawFn) -> SeriesPlan:
    paths = draw(st.sets(st.sampled_from(PATHS), min_size=1, max_size=2))
    groups = []
    for path in sorted(paths):
        uids = {f"1.{path}.{n}": 1 for n in range(draw(st.integers(1, 3)))}
        groups.append(DeletionGroup(path, REASON, expanded=True, instances=uids))
    return SeriesPlan(str(draw(st.integers(1, 99))), 6, draw(st.booleans()), tuple(groups))


STUDIES = st.lists(
    st.builds(
        lambda emptied, listed: StudyPlan("1.2", 100, 0, emptied, tuple(listed)),
        st.booleans(),
        st.lists(series(), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=4,
)
WRITTEN = st.dictionaries(st.sampled_from(COUNTED), st.integers(0, 12))
FILES = st.tuples(WRITTEN, WRITTEN, WRITTEN, st.lists(WRITTEN, max_size=2))


def count(studies: Iterable[StudyPlan], key: str, paths: Set[str]) -> int:
    """What these paths declare of what a limit counts."""
    found = 0
    for study in studies:
        own = [[g for g in one.groups if g.path in paths] for one in study.series]
        if key == "maxStudiesEmptied":
            found += study.emptied and any(own)
        elif key == "maxSeriesEmptied":
            emptied = [one.emptied for one in study.series]
            found += sum(e and bool(g) for e, g in zip(emptied, own, strict=True))
        else:
            found += sum(len(group.instances) for groups in own for group in groups)
    return found


@given(STUDIES, FILES)
def test_a_plan_passes_exactly_where_each_file_passes_its_own_limits(
    studies: Sequence[StudyPlan],
    files: tuple[Mapping[str, int], Mapping[str, int], Mapping[str, int], list[Mapping[str, int]]],
) -> None:
    *removing, others = files
    paths = (frozenset(PATHS[:2]), frozenset(PATHS[2:3]), frozenset(PATHS[3:]))
    written = [WrittenLimits(*one) for one in zip(paths, removing, strict=True)]
    written += [WrittenLimits(frozenset(), one) for one in others]
    every = smallest_limits(one.limits for one in written)
    desired = DesiredStore(DEMO_STORE, every, Claims(()), Claims(()), written)

    found = limits_of(desired, studies)

    declaring = [one for one in written if count(studies, COUNTED[0], one.paths)]
    smallest = smallest_limits([*(one.limits for one in declaring), *others])
    for name, key in LIMIT_KEYS.items():
        if key not in COUNTED:
            assert getattr(found, name) == getattr(smallest, name)
            continue
        everything = count(studies, key, set(PATHS))
        unwritten = getattr(smallest_limits(others), name)
        passes = [
            count(studies, key, one.paths) <= one.limits[key]
            for one in declaring
            if key in one.limits
        ]
        silent = [one.paths for one in declaring if key not in one.limits]
        passes += [count(studies, key, frozenset().union(*silent)) <= unwritten] if silent else []
        passes += [everything <= one[key] for one in others if key in one]
        assert (everything <= getattr(found, name)) is all(passes)
        assert getattr(found, name) >= 0
        if len(declaring) == 1 and not others:
            assert getattr(found, name) == getattr(smallest, name)


def test_files_without_limits_have_the_default_together() -> None:
    """Or a list that is cut into many files would need none."""
    groups = tuple(
        DeletionGroup(
            path, REASON, expanded=False, instances={f"1.{path}.{n}": 1 for n in range(60)}
        )
        for path in ("a.yaml", "b.yaml")
    )
    studies = (StudyPlan("1.2", 1000, 0, False, (SeriesPlan("1.2.1", 1000, False, groups),)),)
    written = [WrittenLimits(frozenset({path}), {}) for path in ("a.yaml", "b.yaml")]
    desired = DesiredStore(DEMO_STORE, Limits(), Claims(()), Claims(()), written)
    assert limits_of(desired, studies).max_deletions == Limits().max_deletions == 100


def test_of_several_files_that_remove_nothing_the_smallest_limits_hold() -> None:
    group = DeletionGroup("a.yaml", REASON, expanded=False, instances={"1.2.1.1": 1, "1.2.1.2": 2})
    studies = (StudyPlan("1.2", 100, 0, False, (SeriesPlan("1.2.1", 100, False, (group,)),)),)
    for limits in ((1, 5), (5, 1)):
        written = [WrittenLimits(frozenset(), {"maxDeletions": one}) for one in limits]
        written.append(WrittenLimits(frozenset({"a.yaml"}), {"maxDeletions": 9}))
        every = smallest_limits(one.limits for one in written)
        desired = DesiredStore(DEMO_STORE, every, Claims(()), Claims(()), written)
        assert limits_of(desired, studies).max_deletions == 1


def test_the_hint_says_by_how_much_a_file_is_over_its_limit() -> None:
    listed = tuple(
        DeletionGroup(
            path, REASON, expanded=False, instances={f"1.{path}.{n}": 1 for n in range(5)}
        )
        for path in ("a.yaml", "b.yaml")
    )
    studies = (StudyPlan("1.2", 100, 0, False, (SeriesPlan("1.2.1", 100, False, listed),)),)
    written = [
        WrittenLimits(frozenset({"a.yaml"}), {"maxDeletions": 5}),
        WrittenLimits(frozenset({"b.yaml"}), {"maxDeletions": 2}),
    ]
    desired = DesiredStore(DEMO_STORE, Limits(), Claims(()), Claims(()), written)
    store = StorePlan(DEMO_STORE, limits_of(desired, studies), studies, (), (), ())
    (blocking,) = (one for one in evaluate_gates(plan_of(store)) if not one.is_passed)
    assert (blocking.actual, blocking.allowed) == (10, 7)
    assert blocking.hint.startswith(
        "if this is meant, raise limits.maxDeletions by 3 in the file that is over it"
    )


@pytest.mark.parametrize("key", ["maxKeptMissing", "maxNeverSeen"])
def test_what_is_absent_is_held_to_the_smallest_limit_of_all(key: str) -> None:
    group = DeletionGroup("a.yaml", REASON, expanded=False, instances={"1.2.1.1": 1})
    studies = (StudyPlan("1.2", 100, 0, False, (SeriesPlan("1.2.1", 100, False, (group,)),)),)
    written = [
        WrittenLimits(frozenset({"a.yaml"}), {key: 5}),
        WrittenLimits(frozenset({"b.yaml"}), {key: 2}),
    ]
    every = smallest_limits(one.limits for one in written)
    desired = DesiredStore(DEMO_STORE, every, Claims(()), Claims(()), written)
    found = limits_of(desired, studies)
    assert {LIMIT_KEYS[name]: getattr(found, name) for name in LIMIT_KEYS}[key] == 2


def test_a_file_without_limits_has_nothing_of_what_another_may_do() -> None:
    """Beside a list with large limits, what a file removes is held to the defaults."""
    groups = tuple(
        DeletionGroup(
            path, REASON, expanded=False, instances={f"1.{path}.{n}": 1 for n in range(count)}
        )
        for path, count in (("list.csv", 1), ("small.yaml", Limits().max_deletions + 1))
    )
    studies = (StudyPlan("1.2", 1000, 0, False, (SeriesPlan("1.2.1", 1000, False, groups),)),)
    written = [
        WrittenLimits(frozenset({"list.csv"}), {"maxDeletions": 60_000}),
        WrittenLimits(frozenset({"small.yaml"}), {}),
    ]
    of_all = WrittenLimits(frozenset(), {"maxDeletions": 200})
    for files, is_passed in ((written, False), ([*written, of_all], True)):
        every = smallest_limits(one.limits for one in files)
        desired = DesiredStore(DEMO_STORE, every, Claims(()), Claims(()), files)
        store = StorePlan(DEMO_STORE, limits_of(desired, studies), studies, (), (), ())
        gates = {gate.name.value: gate for gate in evaluate_gates(plan_of(store))}
        assert gates["maxDeletions"].is_passed is is_passed
