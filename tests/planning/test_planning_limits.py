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
        passes = [
            count(studies, key, one.paths) <= one.limits.get(key, getattr(smallest, name))
            for one in declaring
        ]
        passes += [everything <= one[key] for one in others if key in one]
        assert (everything <= getattr(found, name)) is all(passes)
        assert getattr(found, name) >= 0
        if len(declaring) == 1 and not others:
            assert getattr(found, name) == getattr(smallest, name)


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
