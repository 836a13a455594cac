"""Whatever files ask for, whatever a store holds and however it breaks: nothing unsafe happens."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, given, settings

from reconciler.emulator import Faults, RequestRecord
from reconciler.journal.records import Intent, Record, Result, RunEnded, Verified
from reconciler.model.address import InstanceAddress
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Plan, Why
from reconciler.planning.gates import closed_gates
from reconciler.planning.plan_file import read_plan

from .breakages import while_applying, while_planning
from .harness import Answer, Ground, Site, witnessed
from .worlds import WIDE_OPEN, World, worlds

EXAMPLES = int(os.environ.get("RECONCILER_EXAMPLES", "80"))
PLAN = Path("plan.json")
REPORT = Path("report.json")


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES == 80,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
@given(world=worlds, planning=while_planning, applying=while_applying)
def test_nothing_unsafe_happens(
    ground: Ground, world: World, planning: Faults, applying: Faults
) -> None:
    site = ground.site(parallelism=world.parallelism)
    world.build(site)
    plan = make_and_check_plan(site, world, planning)
    if plan is None:
        event("no plan")
        return
    world.move_on(site)
    applied = apply_and_check(site, world, plan, applying)
    event(f"apply exits {applied.code}")
    check_the_end(site, world, plan, applied)


# The plan


def make_and_check_plan(site: Site, world: World, faults: Faults) -> Plan | None:
    """Plan under faults; None where the question could not be answered."""
    before = site.content()
    assert before == world.held()
    site.break_with(faults)
    answer = plan_again(site, world, "--out", PLAN)
    requests = site.requests()
    assert site.content() == before
    assert all(is_a_reading(site, one) for one in requests), requests
    if answer.code == 1:
        reasons = (faults.rules, world.contradicts, world.has_two_addresses)
        assert any(reasons), answer.err
        assert not (site.folder / PLAN).exists()
        return None
    plan = read_plan(site.folder / PLAN).plan
    check_plan(plan, world)
    assert answer.code == (3 if closed_gates(plan) else 0), answer.err
    event("deletions planned" if plan.has_deletions else "no deletions planned")
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
    else:
        event("incomplete plan")
        assert closed_gates(plan)


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


def deletions_of(plan: Plan) -> list[InstanceAddress]:
    return [one for store in plan.stores for one in store.deletions()]


def named_in_findings(plan: Plan) -> set[InstanceAddress]:
    return {
        InstanceAddress(one.study_uid, one.series_uid, one.instance_uid)
        for store in plan.stores
        for one in store.findings
        if one.series_uid is not None and one.instance_uid is not None
    }


# The apply


@dataclass(frozen=True)
class Applied:
    """What an apply answered, and what it left."""

    code: int
    deletes: Sequence[RequestRecord]
    report: Any

    @property
    def is_over(self) -> bool:
        """Whether the plan came to an end that no later apply changes."""
        return self.report is not None and self.report["state"] in {"completed", "aborted"}


def apply_and_check(site: Site, world: World, plan: Plan, faults: Faults) -> Applied:
    before = site.content()
    site.break_with(faults)
    with witnessed(site) as witness:
        answer = site.run("apply", PLAN, "--report", REPORT)
    after = site.content()
    requests = site.requests()
    deletes = [one for one in requests if one.method == "DELETE"]
    assert witness.unannounced == [], "sent before its intent was on disk"
    assert all(is_a_reading(site, one) for one in requests if one not in deletes), requests
    check_deletes(site, plan, deletes, before - after)
    assert not any(map(world.protects, before - after))
    assert after <= before
    if closed_gates(plan):
        assert answer.code == 3, answer.err
    if answer.code in {1, 3}:
        assert deletes == []
        assert site.runs() == []
        assert answer.code == 3 or faults.rules, answer.err
        return Applied(answer.code, (), None)
    report = json.loads((site.folder / REPORT).read_text())
    check_report(plan, report, answer.code)
    (records,) = site.runs()
    check_journal(site, plan, records, deletes, report)
    check_outcomes(plan, records, deletes, report, after)
    if world.is_quiet:
        check_limits(world, before, after)
    return Applied(answer.code, deletes, report)


def check_deletes(
    site: Site, plan: Plan, deletes: Sequence[RequestRecord], gone: set[InstanceAddress]
) -> None:
    """Every DELETE names one planned instance, and only so does anything go."""
    planned = {site.delete_path(one): one for one in deletions_of(plan)}
    assert {one.path for one in deletes} <= planned.keys()
    assert {planned[one.path] for one in deletes if one.changed} == gone


def check_report(plan: Plan, report: Any, code: int) -> None:
    """Outcomes add up to the plan, and the exit code says whether all is gone."""
    planned = deletions_of(plan)
    assert report["planned"] == sum(report["outcomes"].values()) == len(planned)
    not_gone = [InstanceAddress.from_parameters(one) for one in report["not_gone"]]
    assert set(not_gone) <= set(planned)
    assert len(not_gone) == len(set(not_gone)) == len(planned) - proven(report["outcomes"])
    assert code == report["exit_code"] == (4 if not_gone else 0)


def proven(outcomes: dict[str, int]) -> int:
    return sum(count for name, count in outcomes.items() if Outcome(name).is_gone)


def check_journal(
    site: Site,
    plan: Plan,
    records: Sequence[Record],
    deletes: Sequence[RequestRecord],
    report: Any,
) -> None:
    """Every DELETE has an intent of its own, and a result that names the very request."""
    intents = [one for one in records if isinstance(one, Intent)]
    results = [one for one in records if isinstance(one, Result)]
    assert Counter(site.delete_path(one.instance) for one in intents) == Counter(
        one.path for one in deletes
    )
    sent = {one.headers["x-request-id"]: one.path for one in deletes}
    assert {one.request_id: site.delete_path(one.instance) for one in results} == sent
    for result in results:
        attempt = (result.instance, result.attempt)
        (intent,) = [one for one in intents if (one.instance, one.attempt) == attempt]
        assert records.index(intent) < records.index(result)
    ended = records[-1]
    assert isinstance(ended, RunEnded)
    assert {one.value: count for one, count in ended.counts.items() if count} == {
        name: count for name, count in report["outcomes"].items() if count
    }


def check_outcomes(
    plan: Plan,
    records: Sequence[Record],
    deletes: Sequence[RequestRecord],
    report: Any,
    after: set[InstanceAddress],
) -> None:
    """What is called gone is gone, and what is called deleted was deleted here."""
    outcomes = {one.instance: one.outcome for one in records if isinstance(one, Verified)}
    attempted = {one.path.partition("/dicomWeb")[2] for one in deletes}
    changed = {one.path.partition("/dicomWeb")[2] for one in deletes if one.changed}
    for one in deletions_of(plan):
        outcome = outcomes.get(one, Outcome.NOT_ATTEMPTED)
        assert not (outcome.is_gone and one in after), f"{one} is there, not {outcome}"
        match outcome:
            case Outcome.DELETED:
                assert str(one) in changed
            case Outcome.ALREADY_ABSENT:
                assert str(one) not in changed
            case Outcome.NOT_ATTEMPTED:
                assert str(one) not in attempted
    not_gone = {InstanceAddress.from_parameters(one) for one in report["not_gone"]}
    assert not_gone == {
        one
        for one in deletions_of(plan)
        if not outcomes.get(one, Outcome.NOT_ATTEMPTED).is_gone
    }


def check_limits(
    world: World, before: set[InstanceAddress], after: set[InstanceAddress]
) -> None:
    """A plan that passes its gates does no more than the files allow."""
    limits = world.limits or {}
    studies = {one.study_uid for one in before} - {one.study_uid for one in after}
    series = {one.series for one in before} - {one.series for one in after}
    assert len(before - after) <= limits.get("maxDeletions", 100)
    assert len(studies) <= limits.get("maxStudiesEmptied", 0)
    assert len(series) <= limits.get("maxSeriesEmptied", 0)


# The end


def check_the_end(site: Site, world: World, plan: Plan, applied: Applied) -> None:
    """With the faults off and the lag over, what was done holds and what was not can be."""
    before = site.content()
    site.mend()
    if applied.report is not None:
        check_second_apply(site, plan, applied)
    if applied.code == 0 and not any(map(world.removes, world.arriving())):
        check_nothing_pending(site, world)
    elif applied.code == 4 and world.limits == WIDE_OPEN and not world.has_two_addresses:
        answer = site.run("apply", *map(Path, world.paths), "--auto-approve")
        assert answer.code == 0, answer.err
        check_nothing_pending(site, world)
    assert {one for one in before if world.protects(one)} <= site.content()


def check_second_apply(site: Site, plan: Plan, applied: Applied) -> None:
    """A plan that came to its end is only reported; another is carried on, to success."""
    answer = site.run("apply", PLAN)
    planned = {site.delete_path(one) for one in deletions_of(plan)}
    assert {one.path for one in site.deletes()} <= planned
    if applied.is_over:
        assert (answer.code, site.deletes()) == (applied.code, [])
    else:
        assert answer.code == 0, answer.err
        assert site.content().isdisjoint(deletions_of(plan))


def check_nothing_pending(site: Site, world: World) -> None:
    answer = plan_again(site, world, "--detailed-exitcode")
    if world.named_kept_are_held():
        assert answer.code == 0, answer.out + answer.err
    assert "Plan: 0 to delete" in answer.out
