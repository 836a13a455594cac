"""Several forms from one run, the same way everywhere, and what GitHub Actions is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from reconciler.api.formats import PLAN_FORMATS, REPORT_FORMATS, VALIDATION_FORMATS
from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.errors import ExitCode

from .conftest import LIMITS_OPEN, REASON, Project, removal

SCHEMAS = Path(__file__).parents[2] / "schemas"
BROKEN = REASON + "remove:\n  - studiesId: 1..2\n"


def file(name: str) -> str:
    return Path(name).read_text(encoding="utf-8")


def validates(name: str, document: Any) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.fixture
def small(project: Project) -> Project:
    """Three of ten instances are to be removed."""
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 11))[:3]))
    return project


class Step:
    """What a step of GitHub Actions would have been told."""

    def __init__(self, folder: Path) -> None:
        self.summary_file = folder / "summary.md"
        self.output_file = folder / "output"

    @property
    def summary(self) -> str:
        return self.summary_file.read_text(encoding="utf-8")

    @property
    def outputs(self) -> dict[str, str]:
        lines = self.output_file.read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def step(tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> Step:
    step = Step(tmp_path)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step.summary_file))
    monkeypatch.setenv("GITHUB_OUTPUT", str(step.output_file))
    return step


def commands_of(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("::")]


# Forms


def test_one_plan_gives_all_forms_at_once(small: Project) -> None:
    writes = [f"--write={form}=all.{form}" for form in PLAN_FORMATS]
    planned = small.run("plan", "--out", "plan.json", "--format", "markdown", *writes)
    assert planned.code == 0, planned.err
    assert planned.out == file("all.markdown")
    assert file("plan.json") == file("all.json")
    assert json.loads(file("all.terraform")) == {"create": 0, "update": 0, "delete": 3}
    assert file("all.text").splitlines()[-1].startswith("Plan: 3 to delete, ")
    assert json.loads(file("all.sarif"))["version"] == "2.1.0"
    assert json.loads(file("all.codequality")) == []
    assert ElementTree.parse("all.junit").getroot().get("failures") == "0"
    assert len(small.emulator.requests()) < 20, "one run asked the store once"


def test_show_gives_the_same_forms_offline(small: Project) -> None:
    small.run("plan", "--out", "plan.json", *[f"--write={form}=p.{form}" for form in PLAN_FORMATS])
    small.emulator.clear_requests()
    for form in PLAN_FORMATS:
        assert small.run("show", "plan.json", "--format", form).out == file(f"p.{form}")
    assert small.emulator.requests() == []


def test_validate_gives_all_forms_at_once(small: Project) -> None:
    writes = [f"--write={form}=v.{form}" for form in VALIDATION_FORMATS]
    checked = small.run("validate", "--format", "json", *writes)
    assert checked.code == 0, checked.err
    validates("validation", checked.json)
    assert checked.json["valid"] is True
    assert checked.json["stores"][0]["remove"]["instances"] == 3
    assert file("v.json") == checked.out
    assert file("v.text").startswith("Valid: 1 desired-state file.\n")
    assert file("v.markdown").startswith("### Valid desired state: 0 errors, 0 warnings\n")


def test_invalid_files_are_in_every_form_of_validate(small: Project) -> None:
    small.write("b.yaml", BROKEN)
    writes = [f"--write={form}=v.{form}" for form in VALIDATION_FORMATS]
    checked = small.run("validate", "--format", "json", *writes)
    assert checked.code == ExitCode.ERROR
    validates("validation", checked.json)
    assert checked.json["problems"][0]["rule"] == "invalid-uid"
    assert file("v.text") == ""
    assert json.loads(file("v.sarif"))["runs"][0]["results"][0]["ruleId"] == "invalid-uid"
    assert json.loads(file("v.codequality"))[0]["check_name"] == "invalid-uid"
    assert ElementTree.parse("v.junit").getroot().get("failures") == "1"
    assert "specs/b.yaml:9:16" in checked.err


def test_a_plan_of_invalid_files_tells_so_where_it_can(small: Project) -> None:
    """A job that uploads its reports always has reports to upload."""
    small.write("b.yaml", BROKEN)
    shown = small.run("plan", "--format", "sarif")
    assert (shown.code, len(shown.json["runs"][0]["results"])) == (ExitCode.ERROR, 1)
    planned = small.run("plan", *[f"--write={form}=p.{form}" for form in PLAN_FORMATS])
    assert (planned.code, planned.out) == (ExitCode.ERROR, "")
    assert json.loads(file("p.sarif"))["runs"][0]["results"][0]["ruleId"] == "invalid-uid"
    assert "Invalid desired state: 1 error" in file("p.markdown")
    assert ElementTree.parse("p.junit").getroot().get("failures") == "1"
    assert json.loads(file("p.codequality"))
    for form in ("text", "json", "terraform"):
        assert not Path(f"p.{form}").exists(), "there is no plan that it could hold"


def test_blocking_gates_are_findings_of_a_plan(project: Project) -> None:
    instances = project.fill(1, 1, range(1, 4))
    project.write("a.yaml", REASON + removal(instances))
    planned = project.run("plan", "--format", "sarif")
    assert planned.code == ExitCode.REFUSED
    results = planned.json["runs"][0]["results"]
    assert {one["ruleId"] for one in results} == {
        "gate-max-series-emptied",
        "gate-max-studies-emptied",
        "gate-max-study-percent",
        "study-emptied",
    }
    places = {one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in results}
    assert places == {"specs/a.yaml"}


def test_an_apply_gives_all_forms_at_once(small: Project) -> None:
    small.run("plan", "--out", "plan.json")
    writes = [f"--write={form}=a.{form}" for form in REPORT_FORMATS]
    applied = small.run(
        "apply", "plan.json", "--format", "json", "--report", "report.json", *writes
    )
    assert applied.code == 0, applied.err
    validates("report", applied.json)
    assert applied.out == file("report.json") == file("a.json")
    assert file("a.text").splitlines()[-1].startswith("Apply: 3 planned: 3 deleted, ")
    assert "| `deleted` | 3 |" in file("a.markdown")


def test_a_plan_and_apply_has_one_document_on_stdout(small: Project) -> None:
    applied = small.run("apply", "specs", "--auto-approve", "--format", "json")
    validates("report", applied.json)
    assert "Plan: 3 to delete" in applied.err


@pytest.mark.parametrize("command", ["plan", "validate", "apply", "show"])
def test_an_unknown_form_is_named_with_those_that_are_known(small: Project, command: str) -> None:
    answer = small.run(command, "plan.json", "--write", "yaml=x")
    assert answer.code == ExitCode.ERROR
    assert "is not F=FILE with F one of text, json, markdown" in answer.err


# GitHub Actions


def test_a_plan_tells_its_step(small: Project, step: Step) -> None:
    planned = small.run("plan", "--out", "plan.json")
    plan = json.loads(file("plan.json"))
    assert step.summary.startswith("### 3 instances out of 1 series go for good.")
    assert "Plan: 3 to delete, " in step.summary
    outputs = step.outputs
    assert outputs["digest"] == plan["digest"]
    assert outputs["plan_id"] == plan["plan_id"]
    assert (outputs["exit_code"], outputs["blocking_gates"]) == ("0", "")
    assert (outputs["has_deletions"], outputs["has_pending"]) == ("true", "true")
    counts = {name: count for name, count in plan["summary"].items() if isinstance(count, int)}
    assert {name: int(outputs[name]) for name in counts} == counts
    assert len(counts) > 5
    assert commands_of(planned.err) == []


def test_a_refused_plan_tells_its_step_why(project: Project, step: Step) -> None:
    project.write("a.yaml", REASON + removal(project.fill(1, 1, [1, 2])))
    planned = project.run("plan")
    assert step.outputs["exit_code"] == str(ExitCode.REFUSED)
    assert step.outputs["blocking_gates"] == "maxSeriesEmptied,maxStudiesEmptied,maxStudyPercent"
    first = commands_of(planned.err)[0]
    assert first.startswith("::error file=specs/a.yaml,line=1,col=1,title=reconciler%3A gate-")
    assert "%0Ahint: if this is meant, set limits." in first


def test_invalid_files_are_annotated_once_and_summarized(small: Project, step: Step) -> None:
    small.write("b.yaml", REASON + "remove:\n" + "  - studiesId: 1..2\n" * 30)
    for command in ("validate", "plan"):
        answer = small.run(command)
        lines = commands_of(answer.err)
        assert len(lines) == 10
        assert lines[0].startswith("::error file=specs/b.yaml,line=9,col=16,title=reconciler%3A ")
        assert "and 20 more problems" in lines[-1]
        assert step.outputs["exit_code"] == str(ExitCode.ERROR)
        assert "### Invalid desired state: 30 errors" in step.summary
    assert step.outputs["valid"] == "false"


def test_paths_are_those_of_the_repository_where_the_root_is_a_folder_of_it(
    project: Project, step: Step
) -> None:
    (project.folder / "imaging").mkdir()
    (project.folder / "specs").rename(project.folder / "imaging" / "specs")
    broken = project.folder / "imaging" / "specs" / "b.yaml"
    broken.write_text("version: 2\n", encoding="utf-8")
    checked = project.run(
        "validate", "--root", "imaging", "--write", "sarif=v.sarif", "imaging/specs"
    )
    assert "file=imaging/specs/b.yaml," in commands_of(checked.err)[0]
    assert '"uri": "imaging/specs/b.yaml"' in file("v.sarif")


def test_a_store_that_cannot_be_asked_is_annotated(small: Project, step: Step) -> None:
    rule = FaultRule(FaultKind.STATUS, status=403)
    small.emulator.set_faults(Faults(rules=(rule,)))
    answer = small.run("plan")
    assert answer.code == ExitCode.ERROR
    (line,) = commands_of(answer.err)
    assert line.startswith("::error title=reconciler::")


def test_an_apply_tells_its_step(small: Project, step: Step) -> None:
    small.run("plan", "--out", "plan.json")
    step.output_file.unlink()
    small.run("apply", "plan.json", "--report", "report.json")
    report = json.loads(file("report.json"))
    outputs = step.outputs
    assert (outputs["run"], outputs["state"]) == (report["run"], "completed")
    assert {name: int(outputs[name]) for name in report["counts"]} == report["counts"]
    assert "### Apply: 3 planned: 3 deleted" in step.summary


def test_an_incomplete_apply_is_annotated(small: Project, step: Step) -> None:
    small.run("plan", "--out", "plan.json")
    rule = FaultRule(FaultKind.STATUS, status=403, method="DELETE")
    small.emulator.set_faults(Faults(rules=(rule,)))
    applied = small.run("apply", "plan.json")
    assert applied.code == ExitCode.INCOMPLETE
    assert commands_of(applied.err)[-1].startswith("::error title=reconciler::Apply: 3 planned: 0")
    assert step.outputs["exit_code"] == str(ExitCode.INCOMPLETE)


def test_a_full_summary_is_never_pushed_over_its_limit(small: Project, step: Step) -> None:
    step.summary_file.write_text("x" * (1024 * 1024 - 300), encoding="utf-8")
    small.run("plan")
    assert step.summary_file.stat().st_size == 1024 * 1024 - 300


def test_a_summary_that_cannot_be_written_stops_nothing(
    small: Project, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", os.devnull + "/no")
    monkeypatch.setenv("GITHUB_OUTPUT", str(step.output_file.parent))
    applied = small.run("apply", "specs", "--auto-approve")
    assert applied.code == 0
    assert len(small.deletes()) == 3
    assert "note: the step's summary cannot be written: " in applied.err
    assert "note: the step's outputs cannot be written: Is a directory" in applied.err


def test_elsewhere_no_step_is_told_anything(project: Project) -> None:
    project.write("b.yaml", BROKEN)
    assert commands_of(project.run("validate").err) == []


def test_a_long_plan_stays_under_the_limit_of_a_comment(project: Project, step: Step) -> None:
    instances = project.fill(1, 1, range(1, 1502))
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(instances[1:]))
    project.run("plan", "--write", "markdown=plan.md")
    assert len(file("plan.md")) < 65_536
    assert "Shortened" in file("plan.md")
    assert "Shortened" not in step.summary


def test_a_reader_that_closes_stdout_early_loses_no_report(small: Project) -> None:
    small.run("plan", "--out", "plan.json")
    command = [sys.executable, "-m", "reconciler", "apply", "plan.json", "--report", "report.json"]
    read, write = os.pipe()
    os.close(read)
    subprocess.run(command, stdout=write, stderr=subprocess.DEVNULL, check=False)
    os.close(write)
    assert json.loads(file("report.json"))["counts"]["deleted"] == 3
