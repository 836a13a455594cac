"""The main job: from a YAML file to a reviewed plan, to deletions in a live store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.emulator import (
    EmulatorSettings,
    FaultKind,
    FaultRule,
    Faults,
    running_emulator,
)

from .conftest import LIMITS_OPEN, REASON, Project, address, removal


def test_plan_then_apply_deletes_exactly_the_planned_instances(project: Project) -> None:
    instances = project.fill(1, 1, range(1, 11))
    wanted = instances[:3]
    project.write("a.yaml", REASON + removal(wanted))

    planned = project.run("plan", "--out", "plan.json")
    assert planned.code == 0, planned.err
    assert planned.last_line == (
        "Plan: 3 to delete, 0 already absent, 0 kept, 0 missing, 0 unknown (1 study, 1 series)."
    )
    assert project.deletes() == []

    applied = project.run("apply", "plan.json", "--report", "report.json")
    assert applied.code == 0, applied.err
    assert project.content() == set(instances[3:])
    assert sorted(path.rpartition("/")[2] for path in project.deletes()) == sorted(
        one.instance_uid for one in wanted
    )
    report = json.loads(Path("report.json").read_text())
    assert report["counts"]["deleted"] == report["planned"] == 3
    assert report["unproven"] == []

    again = project.run("plan", "--detailed-exitcode")
    assert again.code == 0
    assert again.last_line == (
        "Plan: 0 to delete, 3 already absent, 0 kept, 0 missing, 0 unknown (0 studies, 0 series)."
    )


def test_planning_sends_only_read_requests(project: Project) -> None:
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 5))[:2]))
    project.run("plan")
    verbs = {(one.method, one.path.rpartition(":")[2]) for one in project.emulator.requests()}
    assert all(method == "GET" or suffix == "testIamPermissions" for method, suffix in verbs)


def test_a_plan_is_applied_once(project: Project) -> None:
    instances = project.fill(1, 1, range(1, 5))
    project.write("a.yaml", REASON + removal(instances[:1]))
    project.run("plan", "--out", "plan.json")
    project.run("apply", "plan.json")
    project.fill(1, 1, [1])
    project.emulator.clear_requests()

    again = project.run("apply", "plan.json")
    assert again.code == 0
    assert "has been applied" in again.err
    assert project.deletes() == []
    assert instances[0] in project.content()


def test_a_whole_study_is_expanded_when_planning_and_a_later_arrival_stays(
    project: Project,
) -> None:
    planned = project.fill(1, 1, range(1, 4))
    project.write(
        "a.yaml",
        REASON + LIMITS_OPEN + f"remove:\n  - studiesId: {planned[0].study_uid}\n",
    )
    assert project.run("plan", "--out", "plan.json").code == 0
    arrived = project.fill(1, 2, [1])
    assert project.run("apply", "plan.json").code == 0
    assert project.content() == set(arrived)


def test_a_keep_spares_part_of_a_whole_study(project: Project) -> None:
    instances = project.fill(1, 1, range(1, 4))
    project.write("a.yaml", REASON + LIMITS_OPEN + f"remove:\n  - studiesId: {instances[0][0]}\n")
    project.write("b.yaml", removal(instances[:1], key="keep"))
    # The hold stands in a neighbour that no PATH names.
    planned = project.run("plan", "specs/a.yaml", "--out", "plan.json")
    assert "Overridden by a keep" in planned.out
    assert project.run("apply", "plan.json").code == 0
    assert project.content() == set(instances[:1])


@pytest.mark.parametrize(
    ("limits", "gate"),
    [
        ("limits: {maxDeletions: 2, maxSeriesEmptied: 1, maxStudiesEmptied: 1}\n", "maxDeletions"),
        ("limits: {maxSeriesEmptied: 0, maxStudiesEmptied: 1}\n", "maxSeriesEmptied"),
        ("limits: {maxSeriesEmptied: 1, maxStudiesEmptied: 0}\n", "maxStudiesEmptied"),
    ],
)
def test_a_closed_gate_stops_plan_and_apply(project: Project, limits: str, gate: str) -> None:
    instances = project.fill(1, 1, range(1, 4))
    project.write("a.yaml", REASON + limits + f"remove:\n  - studiesId: {instances[0][0]}\n")
    planned = project.run("plan", "--out", "plan.json")
    assert planned.code == 3
    assert f"({gate}" in planned.out
    applied = project.run("apply", "plan.json")
    assert applied.code == 3
    assert gate in applied.err
    assert project.deletes() == []


def test_unknown_is_not_absent_and_stops_the_plan(project: Project) -> None:
    instances = project.fill(1, 1, range(1, 4))
    project.write("a.yaml", REASON + removal([address(1, 1, 99), *instances[:1]]))
    project.emulator.set_faults(
        Faults((FaultRule(FaultKind.HTML, path=r"\.99/metadata", status=404),))
    )
    planned = project.run("plan", "--out", "plan.json")
    assert planned.code == 3
    assert "1 unknown" in planned.last_line
    assert project.run("apply", "plan.json").code == 3
    assert project.deletes() == []


def test_a_misplaced_instance_is_named_with_its_true_address(project: Project) -> None:
    project.fill(1, 1, range(1, 4))
    project.fill(1, 2, [9])
    wrong = address(1, 1, 9)._replace(instance_uid=address(1, 2, 9).instance_uid)
    project.write("a.yaml", REASON + removal([wrong]))
    planned = project.run("plan", "--format", "json")
    assert planned.code == 3
    (finding,) = planned.json["plan"]["stores"][0]["findings"]
    assert finding["why"] == "misplaced"
    assert finding["elsewhere"] == [address(1, 2, 9).as_parameters()]


def test_a_missing_keep_is_drift(project: Project) -> None:
    project.fill(1, 1, range(1, 4))
    project.write("a.yaml", removal([address(1, 1, 7)], key="keep"))
    planned = project.run("plan")
    assert planned.code == 3
    assert "BLOCKING  What must be kept is missing (maxKeptMissing" in planned.out
    project.write(
        "a.yaml", "limits: {maxKeptMissing: 1}\n" + removal([address(1, 1, 7)], key="keep")
    )
    assert project.run("plan", "--detailed-exitcode").code == 2


def test_detailed_exitcode_tells_pending_changes(project: Project) -> None:
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 5))[:1]))
    assert project.run("plan").code == 0
    assert project.run("plan", "--detailed-exitcode").code == 2


def test_apply_asks_and_without_a_terminal_refuses(project: Project) -> None:
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 5))[:1]))
    answer = project.run("apply", "specs")
    assert answer.code == 3
    assert "not a terminal" in answer.err
    assert project.deletes() == []


def test_apply_of_paths_with_auto_approve(project: Project) -> None:
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 5))[:1]))
    assert project.run("apply", "specs", "--auto-approve").code == 0
    assert len(project.content()) == 3


def test_apply_goes_on_only_with_the_reviewed_digest(project: Project) -> None:
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 5))[:1]))
    digest = project.run("plan", "--format", "json").json["digest"]
    refused = project.run("apply", "--auto-approve", "--expect-digest", "sha256:" + "0" * 64)
    assert refused.code == 3
    assert project.deletes() == []
    assert project.run("apply", "--auto-approve", "--expect-digest", digest).code == 0


def edit_plan(project: Project) -> None:
    path = project.folder / "plan.json"
    path.write_text(path.read_text().replace('"emptied":false', '"emptied":true', 1))


def change_file(project: Project) -> None:
    path = project.folder / "specs" / "a.yaml"
    path.write_text(path.read_text() + "# changed\n")


def add_file(project: Project) -> None:
    project.write("b.yaml", "keep: []\n")


def remove_file(project: Project) -> None:
    project.write("b.yaml", "keep: []\n")
    project.run("plan", "--out", "plan.json")
    (project.folder / "specs" / "b.yaml").unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edit_plan, "edited"),
        (change_file, "specs/a.yaml was changed"),
        (add_file, "specs/b.yaml was added"),
        (remove_file, "specs/b.yaml is missing"),
    ],
)
def test_apply_refuses_what_is_not_what_was_reviewed(
    project: Project, change: Callable[[Project], None], said: str
) -> None:
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 5))[:1]))
    project.run("plan", "--out", "plan.json")
    change(project)
    answer = project.run("apply", "plan.json")
    assert answer.code == 3
    assert said in answer.err
    assert project.deletes() == []


def test_apply_refuses_a_plan_made_at_another_endpoint(project: Project) -> None:
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 5))[:1]))
    project.run("plan", "--out", "plan.json")
    answer = project.run("apply", "plan.json", "--endpoint", "http://127.0.0.1:9")
    assert answer.code == 3
    assert "http://127.0.0.1:9" in answer.err


def test_show_renders_a_saved_plan_offline(project: Project) -> None:
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 5))[:1]))
    planned = project.run("plan", "--out", "plan.json", "--write", "markdown=plan.md")
    project.emulator.clear_requests()
    assert project.run("show", "plan.json").out == planned.out
    assert (
        project.run("show", "plan.json", "--format", "markdown").out == Path("plan.md").read_text()
    )
    assert project.run("show", "plan.json", "--format", "json").out == Path("plan.json").read_text()
    assert project.emulator.requests() == []


def test_the_digest_does_not_depend_on_place_or_order(project: Project, tmp_path: Path) -> None:
    instances = project.fill(1, 1, range(1, 5))
    project.write("a.yaml", REASON + removal(instances[:1]))
    project.write("b.yaml", REASON + removal(instances[1:2]))
    digests = {
        project.run("plan", *paths, "--format", "json").json["digest"]
        for paths in (
            ["specs/a.yaml", "specs/b.yaml"],
            ["specs/b.yaml", "specs/a.yaml"],
            [str(project.folder / "specs" / "b.yaml"), "specs/a.yaml"],
        )
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("rule", "outcome", "code"),
    [
        (FaultRule(FaultKind.STATUS, "DELETE", status=503, times=1), "deleted", 0),
        (
            FaultRule(FaultKind.STATUS, "DELETE", status=503, times=1, after_effect=True),
            "absent_after_ambiguous_attempt",
            0,
        ),
        (
            FaultRule(FaultKind.RESET, "DELETE", times=1, after_effect=True),
            "absent_after_ambiguous_attempt",
            0,
        ),
        (FaultRule(FaultKind.STATUS, "DELETE", status=429, retry_after=0, times=1), "deleted", 0),
        (FaultRule(FaultKind.STATUS, "DELETE", status=400), "failed", 4),
        (FaultRule(FaultKind.HTML, "DELETE", status=200), "failed", 4),
        (FaultRule(FaultKind.REDIRECT, "DELETE", location="/elsewhere"), "failed", 4),
    ],
)
def test_the_outcome_says_what_happened(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    rule: FaultRule,
    outcome: str,
    code: int,
) -> None:
    monkeypatch.setattr("reconciler.api.running.VERIFY_SECONDS", 0.2)
    instances = project.fill(1, 1, range(1, 4))
    project.write("a.yaml", REASON + removal(instances[:1]))
    project.run("plan", "--out", "plan.json")
    project.emulator.set_faults(Faults((rule,)))
    applied = project.run("apply", "plan.json", "--report", "report.json")
    report = json.loads(Path("report.json").read_text())
    assert (report["counts"][outcome], applied.code) == (1, code)
    assert sum(report["counts"].values()) == report["planned"] == 1


def test_an_operation_in_the_reply_stops_the_run_for_good(project: Project) -> None:
    instances = project.fill(1, 1, range(1, 30))
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(instances[:20]))
    project.run("plan", "--out", "plan.json")
    project.emulator.set_faults(Faults((FaultRule(FaultKind.OPERATION, "DELETE", times=1),)))
    applied = project.run("apply", "plan.json", "--parallelism", "1", "--report", "report.json")
    assert applied.code == 4
    assert "operation" in applied.out
    report = json.loads(Path("report.json").read_text())
    assert report["counts"]["not_attempted"] == 19
    again = project.run("apply", "plan.json")
    assert again.code == 4
    assert len(project.deletes()) == 1


def test_a_row_of_failures_stops_the_run_and_the_same_apply_resumes(project: Project) -> None:
    instances = project.fill(1, 1, range(1, 30))
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(instances[:20]))
    project.run("plan", "--out", "plan.json")
    project.emulator.set_faults(Faults((FaultRule(FaultKind.STATUS, "DELETE", status=400),)))
    stopped = project.run("apply", "plan.json", "--parallelism", "1", "--stop-after-failures", "3")
    assert stopped.code == 4
    assert len(project.deletes()) == 3
    project.emulator.set_faults(Faults())
    resumed = project.run("apply", "plan.json", "--report", "report.json")
    assert resumed.code == 0
    report = json.loads(Path("report.json").read_text())
    assert sum(report["counts"].values()) == report["planned"] == 20
    assert len(report["resumed"]) == 1
    assert project.content() == set(instances[20:])


def test_without_permission_to_delete_nothing_is_tried(project: Project, tmp_path: Path) -> None:
    project.write("a.yaml", REASON + removal([address(1, 1, 1)]))
    allowed = {"healthcare.dicomStores.get", "healthcare.dicomStores.dicomWebRead"}
    settings = EmulatorSettings(tmp_path / "other", permissions=frozenset(allowed))
    with running_emulator(settings) as emulator:
        series = address(1, 1, 1).series
        uids = [address(1, 1, number).instance_uid for number in (1, 2, 3)]
        emulator.ingest_synthetic(project.store, series, uids)
        answer = project.run("apply", "--auto-approve", "--endpoint", emulator.url)
        assert answer.code == 1
        assert "dicomWebDelete" in answer.err
        assert not [one for one in emulator.requests() if one.method == "DELETE"]


def test_a_stopped_apply_of_the_reviewed_digest_is_resumed_by_the_same_command(
    project: Project,
) -> None:
    addresses = project.fill(1, 1, range(4))
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(addresses[:3]))
    digest = project.run("plan", "--format", "json").json["digest"]
    command = ["apply", "--auto-approve", "--expect-digest", digest, "--parallelism", "1"]
    refused = FaultRule(FaultKind.STATUS, method="DELETE", path=r"\.1$", status=403)
    project.emulator.set_faults(Faults(rules=(refused,)))
    stopped = project.run(*command, "--stop-after-failures", "1", "--report", "first.json")
    assert stopped.code == 4
    assert 0 < len(project.content()) < 4
    project.emulator.set_faults(Faults())
    resumed = project.run(*command, "--report", "second.json")
    assert resumed.code == 0
    assert "it is resumed" in resumed.err
    assert project.content() == {addresses[3]}
    report = json.loads((project.folder / "second.json").read_text())
    assert (report["digest"], report["planned"]) == (digest, 3)
    first = json.loads((project.folder / "first.json").read_text())
    assert report["resumed"] == [first["run"]]
    again = project.run(*command)
    assert again.code == 3  # it is done: nothing is left of the reviewed plan
    assert "expected was" in again.err
