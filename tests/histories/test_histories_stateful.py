"""Random histories: whatever happened, in whatever order, all readers tell the same true story.

Kills at every step, resumes, other plans in between, late settlements, old plans applied again,
restores, removals again, others who store and delete, a second state folder whose runs are copied
in, plans that are made without the record, applies to two stores at once, clocks that jump.

``RECONCILER_HISTORIES`` is how many are tried, each with a seed of its own, from
``RECONCILER_HISTORIES_SEED`` on: where one fails, its seed and its steps are printed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from reconciler.emulator import FaultKind, FaultRule, Faults

from .ground import Ground, Kill, Loss, Meanwhile, Site
from .model import Key
from .past import QUIET, Made, Past, Spec, Trouble

HISTORIES = int(os.environ.get("RECONCILER_HISTORIES", "20"))
FIRST = int(os.environ.get("RECONCILER_HISTORIES_SEED", "1"))
QUICK = 20
"""So many are tried in the quick run, and all further ones in the slow one."""
STEPS = 14

A = [Key("a", number) for number in (1, 2)]
B = [Key("b", 1)]
T = TypeVar("T")

DELETE_FAULTS = {
    "reset": FaultRule(FaultKind.RESET),
    "reset after its effect": FaultRule(FaultKind.RESET, after_effect=True),
    "503 once": FaultRule(FaultKind.STATUS, status=503, times=1),
    "503 once, after its effect": FaultRule(
        FaultKind.STATUS, status=503, times=1, after_effect=True
    ),
    "503": FaultRule(FaultKind.STATUS, status=503),
    "403": FaultRule(FaultKind.STATUS, status=403),
    "429": FaultRule(FaultKind.STATUS, status=429),
    "a page": FaultRule(FaultKind.HTML, status=200),
    "a page, after its effect": FaultRule(FaultKind.HTML, status=200, after_effect=True),
}


@dataclass(frozen=True)
class Woe:
    """What goes wrong with one instance of a plan."""

    pick: int
    deleting: str | None
    is_blind: bool
    copies: bool

    def of(self, site: Site, keys: Sequence[Key]) -> Trouble:
        if not keys:
            return QUIET
        key = picked(keys, self.pick)
        path = f"/{site.uid(key)}"
        rules = []
        if self.deleting:
            rules.append(replace(DELETE_FAULTS[self.deleting], method="DELETE", path=f"{path}$"))
        if self.is_blind:
            rules.append(FaultRule(FaultKind.HTML, "GET", f"{path}/metadata$", status=200))
        if not self.copies:
            rules.append(FaultRule(FaultKind.STATUS, "GET", f"{path}$", status=403))
        return Trouble(Faults(tuple(rules)), frozenset({key}) if self.is_blind else frozenset())


def picked(items: Sequence[T], pick: int) -> T:
    """One of some; the latest by preference. What is drawn never depends on what there is."""
    return items[-1 - pick % len(items)]


picks = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4, 5])
kills = st.builds(Kill, st.integers(1, 32), st.sampled_from(Loss))
maybe_kill = st.none() | st.none() | kills
woes = st.builds(
    Woe,
    picks,
    st.none() | st.sampled_from(list(DELETE_FAULTS)),
    st.sampled_from([False] * 3 + [True]),
    st.sampled_from([True] * 5 + [False]),
)
maybe_woe = st.none() | st.none() | woes
files = st.sampled_from([*"aabbcco"])
states = st.sampled_from(["first"] * 4 + ["second"])
backs = st.sampled_from(["restore", "someone", "restore", "someone", "nobody"])
by_name = st.sampled_from([False] * 3 + [True])
with_record = st.sampled_from([True] * 5 + [False])
some = st.frozensets(st.sampled_from(A), min_size=1, max_size=2)
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


class Histories(RuleBasedStateMachine):
    """One history; `Past` holds each step of it against the model."""

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self._ground = ground
        self.made: list[Made] = []
        self.homes: dict[str, str] = {}
        """The state folder where a plan was applied first, or where its runs were copied to."""

    @initialize(
        a=some,
        b=some,
        c=some,
        is_limited=st.booleans(),
        archives=st.booleans(),
        parallelism=st.sampled_from([1] * 5 + [3]),
    )
    def begin(
        self,
        *,
        a: frozenset[Key],
        b: frozenset[Key],
        c: frozenset[Key],
        is_limited: bool,
        archives: bool,
        parallelism: int,
    ) -> None:
        self.site = self._ground.site()
        self.site.parallelism = parallelism
        specs = [
            Spec("a", a),
            Spec("b", b, is_limited=is_limited),
            Spec("c", c, code="113039", archive=archives),
            Spec("o", frozenset(B), code="113039"),
        ]
        self.past = Past(self.site, [*A, *B], specs)

    def teardown(self) -> None:
        try:
            for state in ("first", "second"):
                self.past.look(state)
        finally:
            self.site.end()

    # Rules

    @rule(file=files, state=states, by_name=by_name, with_record=with_record)
    def plan(self, file: str, state: str, by_name: bool, with_record: bool) -> None:
        self._plan(file, state if with_record else "empty", by_name=by_name)

    @rule(file=files, back=backs, by_name=by_name, with_record=with_record, due=maybe_kill)
    def remove(
        self, *, file: str, back: str, by_name: bool, with_record: bool, due: Kill | None
    ) -> None:
        self._have_back(file, back)
        record = "first" if with_record else "empty"
        self._apply(self._plan(file, record, by_name=by_name), "first", due)

    @rule(file=files, back=backs, due=kills, woe=maybe_woe)
    def die_while_removing(self, file: str, back: str, due: Kill, woe: Woe | None) -> None:
        self._have_back(file, back)
        self._apply(self._plan(file, "first", by_name=False), "first", due, woe)

    @rule(file=files, back=backs, woe=woes)
    def fail_to_remove(self, file: str, back: str, woe: Woe) -> None:
        self._have_back(file, back)
        self._apply(self._plan(file, "first", by_name=False), "first", woe=woe)

    @rule(file=files, back=backs, pick=picks, woe=maybe_woe)
    def remove_what_someone_else_removed(
        self, file: str, back: str, pick: int, woe: Woe | None
    ) -> None:
        """Between plan and apply."""
        self._have_back(file, back)
        made = self._plan(file, "first", by_name=False)
        if made.planned.keys & self.site.content():
            self.past.someone_removes(picked(sorted(made.planned.keys & self.site.content()), pick))
        self._apply(made, "first", woe=woe)

    @rule(file=files, back=backs)
    def remove_and_have_it_back(self, file: str, back: str) -> None:
        """A removal that is undone: by a restore, or by someone who stores it again."""
        self._apply(self._plan(file, "first", by_name=False), "first")
        self._have_back(file, back)

    @rule(file=files, back=backs, due=maybe_kill, copies=st.booleans())
    def remove_with_another_record(
        self, file: str, back: str, due: Kill | None, copies: bool
    ) -> None:
        """With a second state folder, whose runs are copied into the first."""
        self._have_back(file, back)
        self._apply(self._plan(file, "second", by_name=False), "second", due)
        if copies:
            self.past.copy("second", "first")
            for run in self.past.runs["first"].values():
                if run.plan is not None:
                    self.homes[run.plan] = "first"

    @rule(pick=picks, state=states, due=maybe_kill, woe=maybe_woe)
    def apply_an_old_plan(self, pick: int, state: str, due: Kill | None, woe: Woe | None) -> None:
        if self.made:
            self._apply(picked(self.made, pick), state, due, woe)

    @rule(pick=picks, due=maybe_kill, is_unclear=st.sampled_from([False] * 4 + [True]))
    def restore(self, pick: int, due: Kill | None, is_unclear: bool) -> None:
        archived = self._archived()
        if archived:
            state, run = picked(archived, pick)
            fault = FaultRule(FaultKind.RESET, "POST", "/studies$", after_effect=True)
            trouble = Trouble(Faults((fault,))) if is_unclear else QUIET
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

    @rule(file=files, step=st.integers(1, 14), by=st.just(timedelta()) | jumps)
    def remove_from_two_stores_at_once(self, file: str, step: int, by: timedelta) -> None:
        """While an apply to one store works, another to the other store comes and goes."""
        if file == "o":
            return
        other = self._plan("o", "first", by_name=False)
        made = self._plan(file, "first", by_name=False)
        parallelism, self.site.parallelism = self.site.parallelism, 1

        def meanwhile() -> None:
            self.site.clock.jump(by)
            self._apply(made, "first")
            self.site.clock.jump(-by)

        self._apply(other, "first", Meanwhile(step, meanwhile))
        self.site.parallelism = parallelism

    @rule(state=states)
    def look(self, state: str) -> None:
        self.past.look(state)

    # Steps

    def _have_back(self, file: str, how: str) -> None:
        """See to it that something is there to remove: so that more happens in a history."""
        keys = self.past.specs[file].keys
        if how == "nobody" or keys & self.site.content():
            return
        archived = [
            run
            for state, run in self._archived()
            if state == "first" and keys & self.past.model(state).archived(run)
        ]
        if how == "restore" and archived:
            self.past.restore(archived[-1])
        else:
            for key in sorted(keys):
                self.past.someone_stores(key)

    def _plan(self, file: str, record: str, *, by_name: bool) -> Made:
        endpoint = self.site.by_name if by_name else self.site.by_address
        made = self.past.plan(self.past.specs[file], record, endpoint)
        self.made.append(made)
        return made

    def _apply(
        self,
        made: Made,
        state: str,
        due: Kill | Meanwhile | None = None,
        woe: Woe | None = None,
    ) -> None:
        home = self.homes.get(made.plan, state)
        trouble = woe.of(self.site, sorted(made.planned.keys)) if woe else QUIET
        self.past.apply(made, home, trouble, due)
        if self.past.model(home).of_plan(made.plan):
            self.homes[made.plan] = home

    def _archived(self) -> list[tuple[str, str]]:
        """State folders and their runs that archived something."""
        return [
            (state, run.name)
            for state, runs in sorted(self.past.runs.items(), reverse=True)
            for run in runs.values()
            if run.plan is not None and self.past.model(state).archived(run.name)
        ]


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(FIRST + at, marks=pytest.mark.slow if at >= QUICK else ())
        for at in range(HISTORIES)
    ],
)
def test_every_reader_tells_the_story_of_every_history(ground: Ground, number: int) -> None:
    """Each is an example of its own: hypothesis would try variations of few."""
    # The first example is the simplest, in which nothing happens; the second is random.
    tries = settings(SETTINGS, max_examples=2)
    try:
        run_state_machine_as_test(seed(number)(lambda: Histories(ground)), settings=tries)
    except BaseException as error:
        error.add_note(f"RECONCILER_HISTORIES=1 RECONCILER_HISTORIES_SEED={number} tries it")
        raise


SETTINGS = settings(
    stateful_step_count=STEPS,
    deadline=None,
    database=None,
    print_blob=True,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
