"""How many requests a run sends, how fast, and how it says so."""

import json
import re

from reconciler.emulator import FaultKind, FaultRule, Faults

from .conftest import LIMITS_OPEN, REASON, Project, removal


def sent(text: str) -> dict[str, int]:
    """The requests by kind, as a command tells them."""
    (told,) = re.findall(
        r"^sent [0-9,]+ requests \(([^)]*)\), [0-9,]+ per second", text, re.MULTILINE
    )
    return {kind: int(count) for count, kind in (one.split() for one in told.split(", "))}


def fill(project: Project) -> int:
    """Remove and keep lists of fifty instances in four series of two studies, one absent."""
    removed = [one for series in (1, 2) for one in project.fill(1, series, range(1, 26))]
    kept = [one for series in (1, 2) for one in project.fill(2, series, range(1, 26))]
    absent = removed[0]._replace(instance_uid=f"{removed[0].instance_uid}.9")
    body = REASON + LIMITS_OPEN + removal([*removed, absent]) + removal(kept, key="keep")
    project.write("a.yaml", body)
    return len(removed) + len(kept)


def test_a_plan_sends_requests_by_series_and_tells_how_many(project: Project) -> None:
    fill(project)
    planned = project.run("plan")
    assert planned.code == 0
    # One study's listing and two kept series' listings, of two pages each, the second empty; a
    # search for the absent one; a witness of each kept entry, and the proof of the absence. The
    # kept study is listed for what in it may refer to what is deleted.
    assert sent(planned.err) == {"preflight": 4, "search": 9, "probe": 3}
    assert sum(sent(planned.err).values()) == len(project.emulator.requests())


def test_probe_retrieve_asks_for_each_instance_and_plans_the_same(project: Project) -> None:
    instances = fill(project)
    by_listing = project.run("plan", "--format", "json").json
    by_retrieve = project.run("plan", "--format", "json", "--probe", "retrieve")
    assert sent(by_retrieve.err)["probe"] == instances + 1
    assert by_retrieve.json["digest"] == by_listing["digest"]


def test_a_store_that_pushes_back_is_on_record(project: Project) -> None:
    body = REASON + LIMITS_OPEN + removal(project.fill(1, 1, range(100)))
    project.write("a.yaml", body)
    project.run("plan", "--out", "plan.json")
    cap = FaultRule(FaultKind.RATE_CAP, per_second=50)
    project.emulator.set_faults(Faults(rules=(cap,)))
    project.emulator.clear_requests()
    applied = project.run("apply", "plan.json", "--parallelism", "8", "--report", "report.json")
    assert applied.code == 0
    refused = sum(one.status == 429 for one in project.emulator.requests())
    traffic = json.loads((project.folder / "report.json").read_text())["traffic"]
    assert traffic["throttled"] == refused > 0
    assert sum(traffic["requests"].values()) == len(project.emulator.requests())
    assert f"throttled {refused} time" in applied.err
