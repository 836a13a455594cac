"""The gates: blocking one above the limit, open at it, and each says what to write to pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.errors import ExitCode, GatesBlocking
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import InputFile, InputRole, Limits, Reason, ReasonCode
from reconciler.model.gate import Gate, GateName
from reconciler.model.plan import (
    DeletionGroup,
    Finding,
    Plan,
    SeriesPlan,
    StorePlan,
    StudyPlan,
    Why,
)
from reconciler.model.problem import Source
from reconciler.planning.gates import blocking_gates, evaluate_gates, require_passed_gates
from reconciler.planning.never_seen import gates_on_never_seen

from ..limits import wide_open

ARCHIVE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
RESEARCH = StoreAddress("imaging-prod", "europe-west4", "radiology", "research")
LINE = Source("specs/a.yaml", 3)
ROW = Source("specs/list.csv", 3)
REASON = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED)
WIDE = Limits(*wide_open().values())


def group(count: int, *, expanded: bool = False, start: int = 0) -> DeletionGroup:
    uids = {f"9.{start + number}": 4 for number in range(count)}
    return DeletionGroup("specs/a.yaml", REASON, expanded, uids)


def series(uid: str, deletions: int, *, emptied: bool = False) -> SeriesPlan:
    return SeriesPlan(uid, deletions, emptied, (group(deletions),))


def study(uid: str, deletions: int, instances: int, *, emptied: bool = False) -> StudyPlan:
    return StudyPlan(uid, instances, 0, emptied, (series(f"{uid}.1", deletions),))


def store_plan(
    *studies: StudyPlan,
    store: StoreAddress = ARCHIVE,
    limits: Limits = WIDE,
    findings: tuple[Finding, ...] = (),
) -> StorePlan:
    return StorePlan(store, limits, studies, findings, (), ())


def finding(why: Why) -> Finding:
    return Finding(why, "1", "1.1", "1.1.1", LINE)


def plan_of(*stores: StorePlan) -> Plan:
    inputs = (
        InputFile("specs/a.yaml", "0" * 64, InputRole.SELECTED),
        InputFile("specs/list.csv", "0" * 64, InputRole.INVENTORY),
    )
    return Plan(("specs",), inputs, stores)


def gate(plan: Plan, name: GateName, store: StoreAddress = ARCHIVE) -> Gate:
    (found,) = [one for one in evaluate_gates(plan) if one.name is name and one.store == store]
    return found


Builder = Callable[[int], StorePlan]


def with_deletions(count: int) -> StorePlan:
    return store_plan(study("1", count, 1000), limits=Limits(max_study_percent=100))


def with_studies_emptied(count: int) -> StorePlan:
    emptied = [study(f"1.{number}", 1, 1, emptied=True) for number in range(count)]
    kept = study("2", 1, 2)
    limits = Limits(max_studies_emptied=1, max_study_percent=100)
    return store_plan(*emptied, kept, limits=limits)


def with_series_emptied(count: int) -> StorePlan:
    members = tuple(series(f"1.{number}", 1, emptied=True) for number in range(count))
    one = StudyPlan("1", 100, 0, False, (*members, series("1.99", 1)))
    return store_plan(one, limits=Limits(max_series_emptied=4))


def with_missing(count: int) -> StorePlan:
    return store_plan(limits=Limits(max_kept_missing=2), findings=(finding(Why.MISSING),) * count)


def with_unknown(count: int) -> StorePlan:
    return store_plan(findings=(finding(Why.PROBE_FAILED),) * count)


def with_misplaced(count: int) -> StorePlan:
    return store_plan(findings=(finding(Why.MISPLACED),) * count)


BOUNDARIES = [
    (GateName.MAX_DELETIONS, with_deletions, 100),
    (GateName.MAX_STUDIES_EMPTIED, with_studies_emptied, 1),
    (GateName.MAX_SERIES_EMPTIED, with_series_emptied, 4),
    (GateName.MAX_KEPT_MISSING, with_missing, 2),
    (GateName.INCOMPLETE, with_unknown, 0),
    (GateName.MISPLACED, with_misplaced, 0),
]
NAMES = [name.value for name, _, _ in BOUNDARIES]


@pytest.mark.parametrize(("name", "build", "allowed"), BOUNDARIES, ids=NAMES)
def test_a_gate_is_open_up_to_its_limit_and_closed_one_above(
    name: GateName, build: Builder, allowed: int
) -> None:
    for actual in range(max(allowed - 1, 0), allowed + 2):
        found = gate(plan_of(build(actual)), name)
        assert (found.actual, found.allowed) == (actual, allowed)
        assert found.is_passed == (actual <= allowed)


@pytest.mark.parametrize(("name", "build", "allowed"), BOUNDARIES, ids=NAMES)
def test_no_other_gate_blocks_with_it(name: GateName, build: Builder, allowed: int) -> None:
    assert [one.name for one in blocking_gates(evaluate_gates(plan_of(build(allowed + 1))))] == [
        name
    ]


def test_limits_hold_for_each_store_alone() -> None:
    def of(store: StoreAddress, count: int) -> StorePlan:
        limits = Limits(max_study_percent=100)
        return store_plan(study("1", count, 1000), store=store, limits=limits)

    both = plan_of(of(ARCHIVE, 100), of(RESEARCH, 100))
    assert blocking_gates(evaluate_gates(both)) == ()
    over = plan_of(of(ARCHIVE, 100), of(RESEARCH, 101))
    assert [(one.name, one.store) for one in blocking_gates(evaluate_gates(over))] == [
        (GateName.MAX_DELETIONS, RESEARCH)
    ]


# maxStudyPercent


@pytest.mark.parametrize(
    ("deleted", "of", "percent"),
    [(50, 100, 50), (51, 100, 51), (500, 1000, 50), (501, 1000, 51), (1, 1000, 1), (1, 1, 100)],
)
def test_the_percentage_is_rounded_up(deleted: int, of: int, percent: int) -> None:
    plan = plan_of(store_plan(study("1", deleted, of), limits=Limits(max_deletions=10_000)))
    found = gate(plan, GateName.MAX_STUDY_PERCENT)
    assert (found.actual, found.allowed, found.is_passed) == (percent, 50, percent <= 50)


def test_wholes_are_exempt_from_the_percentage_and_held_by_the_emptied_limits() -> None:
    whole = SeriesPlan("1.1", 90, True, (group(90, expanded=True),))
    listed = SeriesPlan("1.2", 10, False, (group(5, start=1000),))
    plan = plan_of(store_plan(StudyPlan("1", 100, 0, False, (whole, listed)), limits=Limits()))
    assert gate(plan, GateName.MAX_STUDY_PERCENT).actual == 5
    assert gate(plan, GateName.MAX_STUDY_PERCENT).is_passed
    assert not gate(plan, GateName.MAX_SERIES_EMPTIED).is_passed


def test_one_gate_names_each_study_over_the_percentage() -> None:
    studies = (study("1.1", 6, 10), study("1.2", 5, 10), study("1.3", 9, 10))
    plan = plan_of(store_plan(*studies, limits=Limits()))
    over = gate(plan, GateName.MAX_STUDY_PERCENT)
    assert (over.studies, over.actual, over.is_passed) == (("1.1", "1.3"), 90, False)


def test_below_the_percentage_no_study_is_named() -> None:
    plan = plan_of(store_plan(study("1.1", 1, 10), study("1.2", 4, 10), limits=Limits()))
    found = gate(plan, GateName.MAX_STUDY_PERCENT)
    assert (found.studies, found.actual, found.is_passed) == ((), 40, True)


# Hints and the refusal


@pytest.mark.parametrize(("name", "build", "allowed"), BOUNDARIES[:4], ids=NAMES[:4])
def test_the_hint_names_the_value_to_write(name: GateName, build: Builder, allowed: int) -> None:
    found = gate(plan_of(build(allowed + 3)), name)
    assert f"set limits.{name.value} to {allowed + 3} in the reviewed file" in found.hint


def test_the_value_that_the_hint_names_opens_the_gate() -> None:
    one = study("1", 501, 1000)
    blocking = gate(plan_of(store_plan(one, limits=Limits(1000))), GateName.MAX_STUDY_PERCENT)
    assert "set limits.maxStudyPercent to 51 in the reviewed file" in blocking.hint
    raised = Limits(1000, max_study_percent=51)
    assert gate(plan_of(store_plan(one, limits=raised)), GateName.MAX_STUDY_PERCENT).is_passed


def test_what_no_limit_can_open_says_what_else_to_do() -> None:
    assert "plan again" in gate(plan_of(with_unknown(1)), GateName.INCOMPLETE).hint
    assert (
        "correct the study and series" in gate(plan_of(with_misplaced(1)), GateName.MISPLACED).hint
    )


def test_an_empty_plan_still_shows_every_gate() -> None:
    gates = evaluate_gates(plan_of(store_plan(limits=Limits())))
    history = {GateName.MAX_NEVER_SEEN, GateName.MAX_REAPPEARED, GateName.RESTORED}
    assert [one.name for one in gates] == [name for name in GateName if name not in history]
    assert all(one.is_passed and one.actual == 0 for one in gates)


def test_the_defaults_are_the_documented_ones() -> None:
    gates = evaluate_gates(plan_of(store_plan(limits=Limits())))
    assert {one.name.value: one.allowed for one in gates} == {
        "incomplete": 0,
        "misplaced": 0,
        "maxDeletions": 100,
        "maxStudiesEmptied": 0,
        "maxSeriesEmptied": 0,
        "maxStudyPercent": 50,
        "maxKeptMissing": 0,
        "maxDangling": 0,
    }


# maxNeverSeen


@pytest.mark.parametrize("limit", [0, 2])
def test_what_is_typed_is_held_to_the_limit_and_a_row_is_not(limit: int) -> None:
    typed, row = finding(Why.NEVER_SEEN), replace(finding(Why.NEVER_SEEN), source=ROW)
    for actual in range(limit + 2):
        store = store_plan(
            limits=Limits(max_never_seen=limit), findings=(*(typed,) * actual, row, row)
        )
        (found,) = gates_on_never_seen(plan_of(store), ())
        assert (found.actual, found.allowed) == (actual, limit)
        assert found.is_passed == (actual <= limit)
        assert (f"set limits.maxNeverSeen to {actual} in" in found.hint) == (actual > limit)


def test_a_store_without_a_record_is_told() -> None:
    plan = plan_of(store_plan(findings=(finding(Why.NEVER_SEEN),), limits=Limits()))
    (with_record,) = gates_on_never_seen(plan, ())
    (without,) = gates_on_never_seen(plan, (ARCHIVE,))
    assert without.hint == (
        "the state folder has no record of this store: give the state of earlier applies"
        f" (--state; in Python: state=), or {with_record.hint}"
    )


def test_the_refusal_carries_every_closed_gate() -> None:
    plan = plan_of(
        with_unknown(1), store_plan(study("1", 60, 100), store=RESEARCH, limits=Limits())
    )
    with pytest.raises(GatesBlocking) as caught:
        require_passed_gates(evaluate_gates(plan))
    assert (
        str(caught.value) == "the plan is stopped by a blocking gate: incomplete, maxStudyPercent"
    )
    assert caught.value.gates == blocking_gates(evaluate_gates(plan))
    assert caught.value.exit_code is ExitCode.REFUSED


def test_open_gates_let_a_plan_pass() -> None:
    require_passed_gates(evaluate_gates(plan_of(with_deletions(100))))


def test_the_deletions_of_a_plan_come_in_its_order() -> None:
    plan = store_plan(study("1", 2, 2), study("2", 1, 1))
    assert list(plan.deletions()) == [
        InstanceAddress("1", "1.1", "9.0"),
        InstanceAddress("1", "1.1", "9.1"),
        InstanceAddress("2", "2.1", "9.0"),
    ]
