"""What must be true of every plan, however it was made.

Used by the properties of planning and of applying.
"""

from __future__ import annotations

import json
from pathlib import Path

from reconciler.emulator import Faults, RequestRecord
from reconciler.model.address import InstanceAddress
from reconciler.model.plan import Plan, Why
from reconciler.planning.plan_file import read_plan

from .harness import PLAN, Answer, Site, vanishing
from .worlds import World


def make_and_check_plan(
    site: Site, world: World, faults: Faults, vanishes_at: int | None = None
) -> Plan | None:
    """Plan under faults and check it; None where the question could not be answered.

    ``vanishes_at`` is the number of the probe from which on the store is gone.
    """
    before = site.content()
    assert before == world.held()
    site.break_with(faults)
    with vanishing(site, vanishes_at):
        answer = plan_again(site, world, "--out", PLAN)
    requests = site.requests()
    assert site.content() == before
    assert all(is_a_read_request(site, one) for one in requests), requests
    if answer.code == 1:
        is_broken = faults.rules or vanishes_at
        assert is_broken or world.contradicts or world.has_two_addresses, answer.err
        assert not (site.folder / PLAN).exists()
        return None
    plan = read_plan(site.folder / PLAN).plan
    check_plan(plan, world)
    assert answer.code == (3 if has_closed_gate(site) else 0), answer.err
    assert plan.count(Why.PROBE_FAILED) == 0 or has_closed_gate(site)
    if world.is_quiet and not has_closed_gate(site):
        check_limits(world, before, before - set(deletions_of(plan)))
    return plan


def plan_again(site: Site, world: World, *arguments: str | Path) -> Answer:
    return site.run("plan", *map(Path, world.paths), *arguments)


def is_a_read_request(site: Site, request: RequestRecord) -> bool:
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


def check_limits(world: World, before: set[InstanceAddress], after: set[InstanceAddress]) -> None:
    """A plan that passes its gates does no more than the files allow."""
    limits = world.limits if world.limits is not None else {"maxDeletions": 100}
    studies = {one.study_uid for one in before} - {one.study_uid for one in after}
    series = {one.series for one in before} - {one.series for one in after}
    assert len(before - after) <= limits["maxDeletions"]
    assert len(studies) <= limits.get("maxStudiesEmptied", 0)
    assert len(series) <= limits.get("maxSeriesEmptied", 0)


def has_closed_gate(site: Site) -> bool:
    """Whether the saved plan says that it will not be applied."""
    gates = json.loads((site.folder / PLAN).read_text())["gates"]
    return not all(gate["passed"] for gate in gates)


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
