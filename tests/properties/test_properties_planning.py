"""A plan tells the truth, or says that it does not know; and it stays within its limits."""

from __future__ import annotations

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from reconciler.emulator import Faults

from ..sampling import some
from .breakages import while_planning
from .harness import Ground
from .plan_checks import deletions_of, has_closed_gate, make_and_check_plan
from .profile import tried
from .worlds import TIGHT, World, tight_worlds, worlds


@pytest.mark.parametrize("trouble", some(while_planning, each=2))
@tried(20)
@given(world=worlds(odd=st.integers(1, 3)), data=st.data())
def test_a_plan_never_takes_a_failed_look_for_an_absence(
    ground: Ground, trouble: str, world: World, data: st.DataObject
) -> None:
    faults = data.draw(while_planning[trouble], label="faults")
    vanishes_at = data.draw(st.integers(1, 3)) if trouble == "the store vanishes" else None
    site = ground.site(parallelism=world.parallelism)
    world.build(site)
    plan = make_and_check_plan(site, world, faults, vanishes_at)
    event("refused" if plan is None else f"closed: {has_closed_gate(site)}")


@pytest.mark.parametrize("limit", some(TIGHT, each=2))
@tried(18)
@given(data=st.data())
def test_a_plan_deletes_what_is_asked_spares_what_is_kept_and_stays_within_limits(
    ground: Ground, limit: str, data: st.DataObject
) -> None:
    world = data.draw(tight_worlds(limit), label="world")
    site = ground.site(parallelism=world.parallelism)
    world.build(site)
    plan = make_and_check_plan(site, world, Faults())
    event("refused" if plan is None else f"closed: {has_closed_gate(site)}")
    event(f"{len(deletions_of(plan)) if plan else 0} deletions")
