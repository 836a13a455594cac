"""Whatever files ask for, whatever a store holds and however it breaks: nothing unsafe happens."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, event, given, settings

from reconciler.emulator import Faults, RequestRecord
from reconciler.journal.records import Intent, Result, RunEnded
from reconciler.model.address import InstanceAddress
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Plan, Why
from reconciler.planning.plan_file import read_plan

from .breakages import incidents, vanishings, while_applying, while_planning
from .harness import PLAN, REPORT, Answer, Crash, Ground, Incident, Site, vanishing, witnessed
from .worlds import WIDE_OPEN, World, worlds

AGAIN = Path("again.json")

EXAMPLES = int(os.environ.get("RECONCILER_EXAMPLES", "100"))
"""So many worlds are tried, always the same; another number tries as many random ones."""


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    derandomize=EXAMPLES == 100,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    world=worlds(),
    planning=while_planning,
    vanishes_at=vanishings,
    applying=while_applying,
    incident=incidents,
)
def test_nothing_unsafe_happens(
    ground: Ground,
    world: World,
    planning: Faults,
    vanishes_at: int | None,
    applying: Faults,
    incident: Incident | None,
) -> None:
    site = ground.site(parallelism=world.parallelism)
    world.build(site)
    plan = make_and_check_plan(site, world, planning, vanishes_at)
    if plan is None:
        event("no plan")
        return
    world.move_on(site)
    applied = apply_and_check(site, world, plan, applying, incident)
    event(f"apply exits {applied.code}")
    check_the_end(site, world, plan, applied)


# The plan


def make_and_check_plan(
    site: Site, world: World, faults: Faults, vanishes_at: int | None
) -> Plan | None:
    """Plan under faults; None where the question could not be answered."""
    before = site.content()
    assert before == world.held()
    site.break_with(faults)
    with vanishing(site, vanishes_at):
        answer = plan_again(site, world, "--out", PLAN)
    requests = site.requests()
    assert site.content() == before
    assert all(is_a_reading(site, one) for one in requests), requests
    if answer.code == 1:
        is_broken = faults.rules or vanishes_at
        assert is_broken or world.contradicts or world.has_two_addresses, answer.err
        assert not (site.folder / PLAN).exists()
        return None
    plan = read_plan(site.folder / PLAN).plan
    check_plan(plan, world)
    assert answer.code == (3 if has_closed_gate(site) else 0), answer.err
    assert plan.count(Why.PROBE_FAILED) == 0 or has_closed_gate(site)
    event("deletions planned" if deletions_of(plan) else "no deletions planned")
    return plan


def plan_again(site: Site, world: World, *arguments: str | Path) -> Answer:
    return site.run("plan", *map(Path, world.paths), *arguments)


def is_a_reading(site: Site, request: RequestRecord) -> bool:
    store = f"/v1/{site.store}"
    if not request.path.startswith(store):
        return False
    is_question = request.method == "POST" and request.path == f"{store}:testIamPermissions"
    return request.method == "GET" or is_question


def check_plan(plan: Plan, world: World) -> None:
    deletions = deletions_of(plan)
    assert len(set(deletions)) == len(deletions)
    for one in deletions:
        assert world.removes(one), f"{one} is not to be removed"
        assert not world.protects(one), f"{one} is kept"
    check_absences(plan, world)
    assert world.named_to_remove() <= {*deletions, *named_in_findings(plan)}, "silently left out"
    if plan.count(Why.PROBE_FAILED) == 0:
        assert set(deletions) == world.to_delete()
        assert named_in_findings(plan, Why.MISPLACED) == world.misplaced()
    else:
        event("incomplete plan")


def check_absences(plan: Plan, world: World) -> None:
    """What is there is never called absent, however the look at it failed."""
    held = world.held()
    for finding in (finding for store in plan.stores for finding in store.findings):
        if finding.why is Why.PROBE_FAILED:
            continue
        spoken_of = {
            one
            for one in held
            if one.study_uid == finding.study_uid
            and finding.series_uid in {None, one.series_uid}
            and finding.instance_uid in {None, one.instance_uid}
        }
        assert not spoken_of, finding


def has_closed_gate(site: Site) -> bool:
    """Whether the saved plan says that it will not be applied."""
    gates = json.loads((site.folder / PLAN).read_text())["gates"]
    return not all(gate["open"] for gate in gates)


def deletions_of(plan: Plan) -> list[InstanceAddress]:
    return [one for store in plan.stores for one in store.deletions()]


def named_in_findings(plan: Plan, *whys: Why) -> set[InstanceAddress]:
    return {
        InstanceAddress(one.study_uid, one.series_uid, one.instance_uid)
        for store in plan.stores
        for one in store.findings
        if one.series_uid is not None and one.instance_uid is not None
        if not whys or one.why in whys
    }


# The apply

CRASHED = -9


@dataclass(frozen=True)
class Applied:
    """What an apply answered, and what it left; the code is CRASHED where it did not end."""

    code: int
    report: Any = None

    @property
    def is_over(self) -> bool:
        """Whether the plan came to an end that no later apply changes."""
        return self.report is not None and self.report["state"] in {"completed", "aborted"}


def apply_and_check(
    site: Site, world: World, plan: Plan, faults: Faults, incident: Incident | None
) -> Applied:
    before = site.content()
    site.break_with(faults)
    with witnessed(site, incident) as witness:
        answer = run_apply(site)
    after = site.content()
    deletes = site.deletes()
    assert witness.unannounced == [], "sent before its intent was on disk"
    readings = [one for one in site.requests() if one not in deletes]
    assert all(is_a_reading(site, one) for one in readings), readings
    check_deletes(site, plan, deletes, before - after)
    assert not any(map(world.protects, before - after))
    assert after <= before
    if has_closed_gate(site):
        assert answer.code == 3, answer.err
    if answer.code in {1, 3}:
        assert deletes == []
        assert site.runs() == []
        assert answer.code == 3 or faults.rules, answer.err
        return Applied(answer.code)
    if world.is_quiet:
        check_limits(world, before, after)
    check_outcomes(site, plan, deletes, after)
    if answer.code == CRASHED:
        return Applied(CRASHED)
    report = json.loads((site.folder / REPORT).read_text())
    check_report(site, plan, report, answer.code)
    check_journal(site, deletes, report)
    return Applied(answer.code, report)


def run_apply(site: Site) -> Answer:
    try:
        return site.run("apply", PLAN, "--report", REPORT)
    except Crash:
        return Answer(CRASHED, "", "")


def check_deletes(
    site: Site, plan: Plan, deletes: Sequence[RequestRecord], gone: set[InstanceAddress]
) -> None:
    """Every DELETE names one planned instance, and only so does anything go."""
    planned = {site.delete_path(one): one for one in deletions_of(plan)}
    assert {one.path for one in deletes} <= planned.keys()
    assert {planned[one.path] for one in deletes if one.changed} == gone


def check_limits(world: World, before: set[InstanceAddress], after: set[InstanceAddress]) -> None:
    """A plan that passes its gates does no more than the files allow."""
    limits = world.limits or {}
    studies = {one.study_uid for one in before} - {one.study_uid for one in after}
    series = {one.series for one in before} - {one.series for one in after}
    assert len(before - after) <= limits.get("maxDeletions", 100)
    assert len(studies) <= limits.get("maxStudiesEmptied", 0)
    assert len(series) <= limits.get("maxSeriesEmptied", 0)


def check_outcomes(
    site: Site, plan: Plan, deletes: Sequence[RequestRecord], after: set[InstanceAddress]
) -> None:
    """What is called gone is gone, and what is called deleted was deleted here."""
    outcomes = site.outcomes()
    attempted = {one.path for one in deletes}
    changed = {one.path for one in deletes if one.changed}
    opened = {attempt.instance for attempt in site.open_attempts()}
    for one in deletions_of(plan):
        outcome, path = outcomes.get(one), site.delete_path(one)
        match outcome:
            case Outcome.DELETED:
                assert path in changed
            case Outcome.ALREADY_ABSENT:
                assert path not in changed
            case None:
                assert path not in attempted or one in opened
        assert not (outcome and outcome.is_gone and one in after), f"{one} is not {outcome}"


def check_report(site: Site, plan: Plan, report: Any, code: int) -> None:
    """Outcomes add up to the plan, and the exit code says whether all is gone."""
    planned, outcomes = deletions_of(plan), site.outcomes()
    told = Counter(outcomes.get(one, Outcome.NOT_ATTEMPTED).value for one in planned)
    assert +Counter(report["outcomes"]) == told
    assert report["planned"] == told.total() == len(planned)
    not_gone = [InstanceAddress.from_parameters(one) for one in report["not_gone"]]
    gone = {one for one, outcome in outcomes.items() if outcome.is_gone}
    assert sorted(not_gone) == sorted(set(planned) - gone)
    assert code == report["exit_code"] == (4 if not_gone else 0)
    for name in told:
        event(f"some are {name}")


def check_journal(site: Site, deletes: Sequence[RequestRecord], report: Any) -> None:
    """Every DELETE has an intent of its own, and a result that names the very request."""
    (records,) = site.runs()
    intents = [one for one in records if isinstance(one, Intent)]
    results = [one for one in records if isinstance(one, Result)]
    announced = Counter(site.delete_path(one.instance) for one in intents)
    assert announced == Counter(one.path for one in deletes)
    sent = {one.headers["x-request-id"]: one.path for one in deletes}
    assert {one.request_id: site.delete_path(one.instance) for one in results} == sent
    for result in results:
        (intent,) = [
            one
            for one in intents
            if (one.instance, one.attempt) == (result.instance, result.attempt)
        ]
        assert records.index(intent) < records.index(result)
    ended = records[-1]
    assert isinstance(ended, RunEnded)
    counts = {outcome.value: count for outcome, count in ended.counts.items()}
    assert +Counter(counts) == +Counter(report["outcomes"])


# The end


def check_the_end(site: Site, world: World, plan: Plan, applied: Applied) -> None:
    """With the faults off and the lag over, what was done holds and what was not can be."""
    before = site.content()
    site.break_with(Faults())
    if applied.code in {0, 4, CRASHED}:
        check_second_apply(site, plan, applied)
        check_plan_under_lag(site, world)
    site.mend()
    if applied.code == 0 and not any(map(world.removes, world.arriving())):
        check_nothing_pending(site, world)
    elif applied.code == 4 and world.limits == WIDE_OPEN and not world.has_two_addresses:
        answer = site.run("apply", *map(Path, world.paths), "--auto-approve")
        assert answer.code == 0, answer.err
        check_nothing_pending(site, world)
    assert {one for one in before if world.protects(one)} <= site.content()


def check_second_apply(site: Site, plan: Plan, applied: Applied) -> None:
    """A plan that came to its end is only reported; another is carried on, to success."""
    planned = deletions_of(plan)
    answer = site.run("apply", PLAN, "--report", REPORT)
    if applied.is_over:
        assert (answer.code, site.deletes()) == (applied.code, [])
        return
    assert answer.code == 0, answer.err
    assert site.open_attempts() == ()
    assert site.content().isdisjoint(planned)
    assert {one.path for one in site.deletes()} <= set(map(site.delete_path, planned))
    check_report(site, plan, json.loads((site.folder / REPORT).read_text()), answer.code)


def check_plan_under_lag(site: Site, world: World) -> None:
    """While searches still list what was deleted, no plan deletes it again."""
    gone = {one for one, outcome in site.outcomes().items() if outcome.is_gone}
    assert plan_again(site, world, "--out", AGAIN).code in {0, 3}
    assert gone.isdisjoint(deletions_of(read_plan(site.folder / AGAIN).plan))


def check_nothing_pending(site: Site, world: World) -> None:
    answer = plan_again(site, world, "--detailed-exitcode")
    if world.named_kept_are_held():
        assert answer.code == 0, answer.out + answer.err
    assert "Plan: 0 to delete" in answer.out
