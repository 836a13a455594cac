"""Random histories: whatever happened, in whatever order, all readers tell the same true story.

Kills at every step, resumes, other plans in between, late settlements, old plans applied again,
restores, removals again, others who store and delete, a second state folder whose runs are copied
in, clocks that jump. ``RECONCILER_HISTORIES`` is how many are tried; by default the same ones each
time, with a number of one's own random ones, whose seed is printed where one fails.
"""

from __future__ import annotations

import os
from datetime import timedelta

from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from reconciler.emulator import FaultKind, FaultRule, Faults

from .ground import Ground, Kill, Loss, Meanwhile, Site
from .model import Key
from .past import QUIET, Made, Past, Spec, Trouble

GIVEN = os.environ.get("RECONCILER_HISTORIES")
HISTORIES = int(GIVEN or 60)
STEPS = 14

A = [Key("a", number) for number in (1, 2, 3)]
B = [Key("b", 1)]

kills = st.builds(Kill, st.integers(1, 32), st.sampled_from(Loss))
maybe_kill = st.none() | st.none() | kills
states = st.sampled_from(["first"] * 4 + ["second"])
names = st.sampled_from(["address"] * 3 + ["name"])
jumps = st.sampled_from(
    [
        timedelta(minutes=-3),
        timedelta(hours=-1),
        timedelta(hours=-1),
        timedelta(hours=2),
        timedelta(days=-900),
        timedelta(days=40),
    ]
)

DELETE_FAULTS = {
    "reset": FaultRule(FaultKind.RESET),
    "reset after": FaultRule(FaultKind.RESET, after_effect=True),
    "503 once": FaultRule(FaultKind.STATUS, status=503, times=1),
    "503 once after": FaultRule(FaultKind.STATUS, status=503, times=1, after_effect=True),
    "503": FaultRule(FaultKind.STATUS, status=503),
    "403": FaultRule(FaultKind.STATUS, status=403),
    "429": FaultRule(FaultKind.STATUS, status=429),
    "page": FaultRule(FaultKind.HTML, status=200),
    "page after": FaultRule(FaultKind.HTML, status=200, after_effect=True),
}


def trouble_of(site: Site, key: Key, deleting: str | None, *, is_blind: bool, copies: bool) -> Trouble:
    """What goes wrong with one instance."""
    uid = site.uid(key).replace(".", r"\.")
    rules = []
    if deleting:
        fault = DELETE_FAULTS[deleting]
        rules.append(_at(fault, "DELETE", f"/{uid}$"))
    if is_blind:
        rules.append(FaultRule(FaultKind.HTML, "GET", f"/{uid}/metadata$", status=200))
    if not copies:
        rules.append(FaultRule(FaultKind.STATUS, "GET", f"/{uid}$", status=403))
    return Trouble(Faults(tuple(rules)), frozenset({key}) if is_blind else frozenset())


def _at(fault: FaultRule, method: str, path: str) -> FaultRule:
    return FaultRule(
        fault.fault,
        method,
        path,
        times=fault.times,
        status=fault.status,
        after_effect=fault.after_effect,
    )


class Histories(RuleBasedStateMachine):
    """One history; `Past` holds each step of it against the model."""

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self._ground = ground

    @initialize(data=st.data(), parallelism=st.sampled_from([1] * 5 + [3]))
    def begin(self, data: st.DataObject, parallelism: int) -> None:
        self.site = self._ground.site()
        self.site.parallelism = parallelism
        some = st.frozensets(st.sampled_from(A), min_size=1, max_size=2)
        specs = [
            Spec("a", data.draw(some), is_limited=True),
            Spec("b", data.draw(some), is_limited=data.draw(st.booleans())),
            Spec("c", data.draw(some), code="113039", archive=data.draw(st.booleans())),
            Spec("o", frozenset(B), code="113039"),
        ]
        self.past = Past(self.site, [*A, *B], specs)
        self.made: list[Made] = []
        self.homes: dict[str, str] = {}

    def teardown(self) -> None:
        if not hasattr(self, "past"):
            return
        try:
            for state in ("first", "second"):
                self.past.look(state)
        finally:
            self.site.end()

    # Rules

    @rule(data=st.data(), state=states)
    def plan(self, data: st.DataObject, state: str) -> None:
        self._plan(data, data.draw(st.sampled_from([*"abco"])), state)

    @rule(data=st.data(), state=states, due=maybe_kill)
    def remove(self, data: st.DataObject, state: str, due: Kill | None) -> None:
        made = self._plan(data, data.draw(st.sampled_from([*"aabbcco"])), state)
        self._apply(data, made, state, due)

    @rule(data=st.data(), due=kills)
    def remove_and_die(self, data: st.DataObject, due: Kill) -> None:
        made = self._plan(data, data.draw(st.sampled_from([*"abc"])), "first")
        self._apply(data, made, "first", due)

    @precondition(lambda self: self.made)
    @rule(data=st.data(), state=states, due=maybe_kill)
    def apply_an_old_plan(self, data: st.DataObject, state: str, due: Kill | None) -> None:
        made = data.draw(st.sampled_from(self.made[-5:]), label="plan")
        self._apply(data, made, self.homes.get(made.plan, state), due)

    @precondition(lambda self: self._restorable())
    @rule(data=st.data(), due=maybe_kill)
    def restore(self, data: st.DataObject, due: Kill | None) -> None:
        state, run = data.draw(st.sampled_from(self._restorable()[-6:]), label="run")
        trouble = QUIET
        if data.draw(st.integers(0, 5)) == 0:
            rule_ = FaultRule(FaultKind.RESET, "POST", "/studies$", after_effect=True)
            trouble = Trouble(Faults((rule_,)))
        self.past.restore(run, state, trouble, due)

    @rule(key=st.sampled_from([*A, *B]))
    def someone_else(self, key: Key) -> None:
        """Who it is stores what is not there, and deletes what is."""
        if key in self.site.content():
            self.past.someone_removes(key)
        else:
            self.past.someone_stores(key)

    @rule(by=jumps)
    def set_the_clock(self, by: timedelta) -> None:
        self.site.clock.jump(by)

    @precondition(lambda self: self.past.runs.get("second"))
    @rule()
    def copy_runs_in(self) -> None:
        for name in self.past.copy("second", "first"):
            plan = self.past.runs["first"][name].plan if name in self.past.runs["first"] else None
            if plan is not None:
                self.homes[plan] = "first"

    @rule(data=st.data(), step=st.integers(1, 12))
    def remove_from_two_stores_at_once(self, data: st.DataObject, step: int) -> None:
        """While an apply to one store works, another to the other store comes and goes."""
        other = self._plan(data, "o", "first")
        made = self._plan(data, data.draw(st.sampled_from([*"abc"])), "first")
        parallelism, self.site.parallelism = self.site.parallelism, 1
        meanwhile = Meanwhile(step, lambda: self._apply_quietly(made))
        if self.homes.get(other.plan, "first") == "first":
            self.homes[other.plan] = "first"
            self.past.apply(other, "first", due=meanwhile)
        self.site.parallelism = parallelism

    @rule(state=states)
    def look(self, state: str) -> None:
        self.past.look(state)

    # Steps

    def _plan(self, data: st.DataObject, name: str, state: str) -> Made:
        by_name = data.draw(names, label="endpoint") == "name"
        endpoint = self.site.by_name if by_name else self.site.by_address
        # Sometimes by somebody who has no record of the store.
        state = data.draw(st.sampled_from([state] * 5 + ["empty"]), label="record")
        made = self.past.plan(self.past.specs[name], state, endpoint)
        self.made.append(made)
        return made

    def _apply_quietly(self, made: Made) -> None:
        self.homes[made.plan] = "first"
        self.past.apply(made, "first")

    def _apply(self, data: st.DataObject, made: Made, state: str, due: Kill | None) -> None:
        trouble = QUIET
        if made.planned.keys and data.draw(st.integers(0, 2), label="trouble") == 0:
            trouble = trouble_of(
                self.site,
                data.draw(st.sampled_from(sorted(made.planned.keys))),
                data.draw(st.none() | st.sampled_from(list(DELETE_FAULTS))),
                is_blind=data.draw(st.integers(0, 3)) == 0,
                copies=data.draw(st.integers(0, 5)) != 0,
            )
        state = self.homes.get(made.plan, state)
        answer = self.past.apply(made, state, trouble, due)
        if self.past.model(state).of_plan(made.plan):
            self.homes[made.plan] = state
        event(f"apply: {'killed' if answer.is_killed else answer.code}")

    def _restorable(self) -> list[tuple[str, str]]:
        return [
            (state, run.name)
            for state, runs in sorted(self.past.runs.items())
            for run in runs.values()
            if run.plan is not None and self.past.model(state).archived(run.name)
        ]


def test_every_reader_tells_the_story_of_every_history(ground: Ground) -> None:
    run_state_machine_as_test(
        lambda: Histories(ground),
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=GIVEN is None,
            database=None,
            print_blob=True,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
