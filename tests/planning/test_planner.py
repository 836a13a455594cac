"""The planner decides as the files under ``cases/`` say."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.errors import DesiredStateError
from reconciler.model.desired import Claims, EntryKind
from reconciler.model.live import Presence
from reconciler.model.plan import Action, Why
from reconciler.planning.decision import DECISIONS, decide
from reconciler.planning.planner import make_plan

Case = Any  # the conftest's; a test module cannot import it
NamedCase = Callable[[str], Case]


def test_the_plan_is_what_the_case_expects(case: Case) -> None:
    assert case.outcome() == case.expected


def test_the_order_of_entries_and_listings_changes_nothing(case: Case) -> None:
    if "errors" in case.expected:
        pytest.skip("there is no plan to compare")
    backwards = tuple(
        replace(
            store,
            removes=Claims(store.removes.entries[::-1]),
            keeps=Claims(store.keeps.entries[::-1]),
        )
        for store in case.desired.stores
    )
    live = {
        address: replace(
            one,
            instances=dict(reversed(one.instances.items())),
            targets=dict(reversed(one.targets.items())),
            contents=dict(reversed(one.contents.items())),
        )
        for address, one in reversed(case.live.items())
    }
    assert make_plan(replace(case.desired, stores=backwards), live) == case.plan()


def test_what_a_store_was_not_asked_is_unknown(named_case: NamedCase) -> None:
    for name in ("remove-present", "whole-series-kept", "whole-study-removed"):
        case = named_case(name)
        live = {
            address: replace(one, instances={}, targets={}, contents={}, misplaced={})
            for address, one in case.live.items()
        }
        plan = make_plan(case.desired, live)
        assert not plan.has_deletions
        assert plan.count(Why.PROBE_FAILED) >= 1
        assert plan.count(Why.ALREADY_ABSENT) == plan.count(Why.MISSING) == 0


def test_every_problem_of_two_addresses_is_reported(named_case: NamedCase) -> None:
    case = named_case("kept-elsewhere-by-expansion")
    with pytest.raises(DesiredStateError) as caught:
        case.plan()
    assert [problem.rule for problem in caught.value.problems] == ["kept-elsewhere"]


# The decision table

TABLE = {
    ("keep", "present"): ("no-op", "kept"),
    ("keep", "absent"): ("no-op", "missing"),
    ("keep", "unknown"): ("no-op", "probe_failed"),
    ("remove", "present"): ("delete", "listed"),
    ("remove", "absent"): ("no-op", "already_absent"),
    ("remove", "unknown"): ("no-op", "probe_failed"),
}
PAIRS = list(itertools.product(EntryKind, Presence))


def test_the_table_is_total() -> None:
    assert set(DECISIONS) == set(PAIRS)


@pytest.mark.parametrize(("intent", "presence"), PAIRS)
def test_each_row_of_the_table(intent: EntryKind, presence: Presence) -> None:
    action, why = decide(intent, presence, found_elsewhere=False)
    assert (action.value, why.value) == TABLE[intent.value, presence.value]


@pytest.mark.parametrize(("intent", "presence"), PAIRS)
def test_found_elsewhere_turns_an_absent_remove_into_misplaced_and_nothing_else(
    intent: EntryKind, presence: Presence
) -> None:
    decision = decide(intent, presence, found_elsewhere=True)
    if (intent, presence) == (EntryKind.REMOVE, Presence.ABSENT):
        assert decision == (Action.NO_OP, Why.MISPLACED)
    else:
        assert decision == decide(intent, presence, found_elsewhere=False)


def test_only_a_present_remove_deletes() -> None:
    deleting: list[Any] = [pair for pair in PAIRS if DECISIONS[pair][0] is Action.DELETE]
    assert deleting == [(EntryKind.REMOVE, Presence.PRESENT)]
