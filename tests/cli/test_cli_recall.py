"""Apply judges by its own record, held against the store, not by the plan file alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.model.address import InstanceAddress

from .conftest import Answer, Project, removal

REASON = 'reason: {code: "113037", ticket: QA-7}\n'
LIMITS = (
    "limits: {maxSeriesEmptied: 1, maxStudiesEmptied: 1, maxStudyPercent: 100, maxNeverSeen: 3}\n"
)


@pytest.fixture
def instances(project: Project, tmp_path: Path) -> list[InstanceAddress]:
    """Five in the store; a file asks for the removal of the first three, archived."""
    instances = project.fill(1, 1, range(1, 6))
    archive = f"archive: {{path: {tmp_path / 'archive'}}}\n"
    project.write("a.yaml", REASON + LIMITS + archive + removal(instances[:3]))
    return instances


def plan_without_record(project: Project, name: str) -> None:
    """A plan that was made on another machine, which has no state folder of ours.

    What is gone was never seen there, which the limit lets pass.
    """
    assert project.run("plan", "--out", name, "--state", "elsewhere").code == 0


def runs(project: Project) -> list[str]:
    return sorted(path.stem for path in (project.folder / ".reconciler" / "runs").glob("*.jsonl"))


def outcomes(project: Project) -> dict[str, int]:
    report = json.loads((project.folder / "report.json").read_text())
    return {name: count for name, count in report["counts"].items() if count}


def apply(project: Project, name: str = "plan.json", *more: str) -> Answer:
    return project.run("apply", name, "--report", "report.json", *more)


def stopped_apply(project: Project, instance: InstanceAddress) -> None:
    """An apply that stops at this instance, which the store refuses to delete."""
    assert project.run("plan", "--out", "plan.json").code == 0
    rule = FaultRule(FaultKind.STATUS, "DELETE", f"{instance.instance_uid}$", status=403)
    project.emulator.set_faults(Faults((rule,)))
    one_by_one = ["--stop-after-failures", "1", "--parallelism", "1"]
    assert apply(project, "plan.json", *one_by_one).code == 4
    project.emulator.set_faults(Faults())
    project.emulator.clear_requests()


def test_a_plan_that_knows_no_restore_does_not_delete_what_was_restored(
    project: Project, instances: list[InstanceAddress]
) -> None:
    assert project.run("plan", "--out", "plan.json").code == 0
    assert apply(project).code == 0
    (run,) = runs(project)
    assert project.run("restore", run).code == 0
    plan_without_record(project, "late.json")
    before = project.content()

    for _ in range(2):
        refused = apply(project, "late.json")
        assert refused.code == 3
        assert "restored" in refused.err
    assert project.content() == before


def test_a_plan_that_knows_no_removal_does_not_delete_what_reappeared(
    project: Project, instances: list[InstanceAddress]
) -> None:
    assert project.run("plan", "--out", "plan.json").code == 0
    assert apply(project).code == 0
    project.fill(1, 1, [1, 2])
    plan_without_record(project, "late.json")
    before = project.content()

    for _ in range(2):
        refused = apply(project, "late.json")
        assert refused.code == 3
        assert "maxReappeared" in refused.err
    assert project.content() == before


def test_what_another_plan_removed_meanwhile_is_already_absent_without_a_delete(
    project: Project, instances: list[InstanceAddress]
) -> None:
    for name in ("first.json", "second.json"):
        assert project.run("plan", "--out", name).code == 0
    assert apply(project, "first.json").code == 0
    (first,) = runs(project)
    project.emulator.clear_requests()

    assert apply(project, "second.json").code == 0
    assert outcomes(project) == {"already_absent": 3}
    assert project.deletes() == []
    assert project.run("audit", "report").out.startswith(
        "# 3 instances of 1 series in 1 study removed"
    )
    restored = project.run("restore", first)
    assert restored.code == 0
    assert project.content() == set(instances)


def test_a_resumed_plan_says_what_the_earlier_run_proved(
    project: Project, instances: list[InstanceAddress]
) -> None:
    stopped_apply(project, instances[2])

    answer = apply(project)
    assert answer.code == 0
    assert outcomes(project) == {"deleted": 3}
    assert "2 of these instances had been proven gone by an earlier run" in answer.out
    assert len(project.deletes()) == 1


def test_what_an_earlier_run_of_the_plan_proved_and_is_there_again_is_looked_at_first(
    project: Project, instances: list[InstanceAddress]
) -> None:
    stopped_apply(project, instances[2])
    project.fill(1, 1, [1])

    refused = apply(project)
    assert refused.code == 3
    assert "maxReappeared" in refused.err
    assert project.deletes() == []
    assert instances[0] in project.content()


def test_a_resumed_plan_does_not_count_what_was_restored_as_deleted(
    project: Project, instances: list[InstanceAddress]
) -> None:
    stopped_apply(project, instances[2])
    (run,) = runs(project)
    assert project.run("restore", run).code == 0

    refused = apply(project)
    assert refused.code == 3
    assert "restored" in refused.err
    assert project.content() == set(instances)


def test_where_the_study_cannot_be_listed_each_is_looked_at(
    project: Project, instances: list[InstanceAddress]
) -> None:
    stopped_apply(project, instances[2])
    project.fill(1, 1, [1])
    rule = FaultRule(FaultKind.STATUS, "GET", "/instances[?]", status=403)
    project.emulator.set_faults(Faults((rule,)))

    assert apply(project).code == 3
    assert instances[0] in project.content()


def test_what_gives_no_clear_answer_is_not_deleted_on_the_word_of_the_plan(
    project: Project, instances: list[InstanceAddress]
) -> None:
    assert project.run("plan", "--out", "plan.json").code == 0
    assert apply(project).code == 0
    project.fill(1, 1, [1])
    plan_without_record(project, "late.json")
    uid = instances[0].instance_uid
    rule = FaultRule(FaultKind.STATUS, "GET", f"{uid}/metadata", status=403)
    project.emulator.set_faults(Faults((rule,)))
    project.emulator.clear_requests()

    assert apply(project, "late.json").code == 4
    assert outcomes(project) == {"unconfirmed": 1}
    assert project.deletes() == []


def test_the_other_name_of_an_endpoint_has_the_same_past(
    project: Project, instances: list[InstanceAddress], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.run("plan", "--out", "plan.json").code == 0
    assert apply(project).code == 0
    project.fill(1, 1, [1])
    other = project.emulator.url.replace("127.0.0.1", "localhost")
    monkeypatch.setenv("RECONCILER_ENDPOINT", other)

    planned = project.run("plan", "--out", "late.json")
    assert planned.code == 3
    assert "maxReappeared" in planned.out
    (run,) = runs(project)
    assert project.run("restore", run, "--dry-run").code == 0


@pytest.mark.parametrize("is_listed", [True, False])
def test_what_a_listing_shows_and_no_probe_finds_absent_is_not_taken_over(
    project: Project, instances: list[InstanceAddress], *, is_listed: bool
) -> None:
    """One strange answer neither reads as success nor passes a gate for good."""
    stopped_apply(project, instances[2])
    project.fill(1, 1, [1])
    uid = instances[0].instance_uid
    strange = FaultRule(FaultKind.HTML, "GET", f"{uid}/metadata", status=200)
    hidden = FaultRule(FaultKind.STATUS, "GET", "/instances[?]", status=403)
    project.emulator.set_faults(Faults((strange,) if is_listed else (strange, hidden)))

    assert apply(project).code == 4
    assert outcomes(project)["unconfirmed"] >= 1
    project.emulator.set_faults(Faults())
    refused = apply(project)
    assert refused.code == 3
    assert "maxReappeared" in refused.err
    assert instances[0] in project.content()


def test_an_absence_that_a_clear_no_came_before_is_not_of_our_making(
    project: Project, instances: list[InstanceAddress]
) -> None:
    stopped_apply(project, instances[2])
    url = f"{project.emulator.url}/v1/{project.store}/dicomWeb{instances[2]}"
    requests.delete(url, timeout=10).raise_for_status()

    assert apply(project).code == 0
    assert outcomes(project) == {"deleted": 2, "already_absent": 1}


def test_a_request_that_moved_to_another_file_is_still_the_one_that_was_undone(
    project: Project, instances: list[InstanceAddress]
) -> None:
    assert project.run("plan", "--out", "plan.json").code == 0
    assert apply(project).code == 0
    (run,) = runs(project)
    assert project.run("restore", run).code == 0
    specs = project.folder / "specs"
    (specs / "a.yaml").rename(specs / "moved.yaml")

    planned = project.run("plan", "--out", "late.json")
    assert planned.code == 3
    assert "restored: 3 of at most 0" in planned.out
    again = project.run("restore", run)
    assert "3 of these had been put back by an earlier restore" in again.out
