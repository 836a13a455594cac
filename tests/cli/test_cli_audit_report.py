"""An auditor's questions are answered from the record: what, by whom, why, and how one knows."""

from __future__ import annotations

import csv
import io
import json
import shutil
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator

from ..journal.by_hand import file_of
from .conftest import LIMITS_OPEN, Project, removal

FORMULA = "=1+1"


@pytest.fixture
def audited(project: Project) -> Project:
    """Three instances removed for two reasons, one kept; before that what a gate stopped."""
    removed = project.fill(1, 1, range(3))
    kept = project.fill(2, 1, [1, 2])
    hold = (
        removal(kept, key="keep").rstrip("\n")
        + "\n    hold: {text: <b>Trial | 7</b>, owner: 'a | b', ticket: T-7}\n"
    )
    reasons = f'reason: {{code: "113039", ticket: "{FORMULA}"}}\n'
    project.write("a.yaml", reasons + removal(removed[:2]) + hold)
    assert project.run("plan").code == 3
    assert project.run("plan", "--out", "stopped.json").code == 3
    assert project.run("apply", "stopped.json").code == 3
    project.write("a.yaml", reasons + LIMITS_OPEN + removal(removed[:2]) + hold)
    quality = 'reason: {code: "113001", text: "blurred, twice"}\n'
    project.write("b.yaml", quality + LIMITS_OPEN + removal(removed[2:]))
    assert project.run("plan", "--out", "plan.json").code == 0
    assert project.run("apply", "plan.json").code == 0
    return project


def test_the_json_report_is_as_its_schema_says_and_adds_up(audited: Project) -> None:
    answer = audited.run("audit", "report", "--format", "json")
    assert answer.code == 0
    schema = files("reconciler").joinpath("schemas", "audit-report.schema.json").read_text()
    Draft202012Validator(json.loads(schema)).validate(answer.json)
    report = answer.json
    assert (report["removed"]["instances"], report["runs"], report["unproven"]) == (3, 5, 0)
    assert report["verification"]["findings"] == []
    coverage = {tuple(one["files"]): one for one in report["coverage"]}
    assert coverage["specs/a.yaml", "specs/b.yaml"]["proven"] == 5
    assert report["by_reason"] == {
        "113001 Rejected for Quality Reasons": 1,
        "113039 Data Retention Policy Expired": 2,
    }
    assert report["by_actor"] == {"unknown": 3}
    deletes = [one for one in audited.emulator.requests() if one.method == "DELETE"]
    sent = {one.headers["x-request-id"] for one in deletes}
    answers = [one["answers"] for one in report["deletions"]]
    assert {one["request_id"] for (one,) in answers} == sent
    assert {one["status"] for (one,) in answers} == {200}
    assert {(one["outcome"], one["presence"]) for one in report["deletions"]} == {
        ("deleted", "absent")
    }
    (refusal,) = report["refusals"]
    assert refusal["gate"] == "maxStudyPercent"
    assert [one["tickets"] for one in report["changes"]] == [[FORMULA]]
    (seen,) = report["kept"]
    assert (seen["instances"], seen["hold"]) == (
        2,
        {"text": "<b>Trial | 7</b>", "owner": "a | b", "ticket": "T-7", "review_by": None},
    )


def test_the_csv_holds_every_removal_and_no_formula(audited: Project) -> None:
    answer = audited.run("audit", "report", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert {row["ticket"] for row in rows} == {f"'{FORMULA}", ""}
    assert {row["reason_text"] for row in rows} == {"", "blurred, twice"}
    assert {row["source"].partition(":")[0] for row in rows} == {
        "specs/a.yaml",
        "specs/b.yaml",
    }
    assert len(rows) == 3


def test_the_markdown_shows_text_as_text(audited: Project) -> None:
    shown = audited.run("audit", "report").out
    assert shown.startswith("# 3 instances of 1 series in 1 study removed for good\n")
    assert "<b>" not in shown
    assert "Trial \\| 7" in shown
    assert "| specs/a.yaml, specs/b.yaml |" in shown


def test_the_page_shows_the_record_and_text_as_text(audited: Project) -> None:
    audited.run("audit", "report", "--write", "html=report.html")
    shown = (audited.folder / "report.html").read_text("utf-8")
    report = audited.run("audit", "report", "--format", "json").json
    assert "<h1>3 instances of 1 series in 1 study removed for good</h1>" in shown
    assert "<b>Trial" not in shown
    assert "&lt;b&gt;Trial | 7&lt;/b&gt;" in shown
    heads = [part for head in report["heads"] for part in ("--head", head)]
    assert f"reconciler audit verify {' '.join(heads)}" in shown
    assert audited.run("audit", "verify", *heads).code == 0


def test_a_part_of_the_record_can_be_asked_for(audited: Project) -> None:
    def removed(*arguments: str) -> int:
        return audited.run("audit", "report", "--format", "json", *arguments).json["removed"][
            "instances"
        ]

    everything = audited.run("audit", "report", "--format", "json").json
    (run,) = {one["run"] for one in everything["deletions"]}
    assert removed("--reason", "113001") == 1
    assert removed("--reason", "113001", "--reason", "113039") == 3
    assert removed("--study", everything["deletions"][0]["studiesId"]) == 3
    assert removed("--study", "1.2.3") == 0
    assert removed("--run", run) == 3
    assert audited.run("audit", "report", "--run", "another").code == 1
    assert removed("--since", "2020-01-01", "--until", "2020-02-01T12:00:00Z") == 0
    assert removed("--since", "2020-01-01") == 3
    assert audited.run("audit", "report", "--since", "yesterday").code == 1
    assert (
        audited.run("audit", "report", "--since", "2026-02-01", "--until", "2026-01-01").code == 1
    )
    assert audited.run("audit", "report", "--since", "0001-01-01T00:00:00+01:00").code == 1
    assert audited.run("audit", "report", "--study", "../x").code == 1


def test_what_cannot_be_read_is_told_and_the_rest_is_reported(audited: Project) -> None:
    runs = audited.folder / ".reconciler" / "runs"
    broken = runs / "20200101T000000Z-00000000.jsonl"
    broken.write_text("{}\nnot json\n")
    (runs / "notes.txt").write_text("an unrecognised file")
    answer = audited.run("audit", "report", "--format", "json")
    assert answer.code == 3
    assert str(broken) in answer.err
    assert answer.json["removed"]["instances"] == 3
    assert len(answer.json["problems"]) == 1
    markdown = audited.run("audit", "report").out
    assert "**Not in this report:**" in markdown


def test_a_folder_without_a_record_has_an_empty_report(project: Project) -> None:
    assert project.run("audit", "report").code == 1
    (project.folder / ".reconciler").mkdir()
    answer = project.run("audit", "report")
    assert answer.code == 0
    assert "No run is on record." in answer.out


def test_whatever_lies_in_the_folder_is_told_and_the_rest_is_reported(audited: Project) -> None:
    runs = audited.folder / ".reconciler" / "runs"
    (applied,) = runs.glob("*.jsonl")
    shutil.rmtree(runs / "log")  # as if the process had died before it was there
    later = file_of([b'{"type":"run_started","format_version":"2.0"}\n'])
    (runs / "20300101T000000Z-00000000.jsonl").write_bytes(later)
    (runs / "20300101T000000Z-00000001.jsonl").write_bytes(b"")
    (runs / "notes.txt").write_text("an unrecognised file")
    applied.write_bytes(applied.read_bytes()[:-20])  # a torn line

    answer = audited.run("audit", "report", "--format", "json")

    assert answer.code == 1
    report = answer.json
    assert report["removed"]["instances"] == 3
    assert {one["kind"] for one in report["verification"]["findings"]} == {
        "unreadable",
        "unstarted",
        "unrecognised",
        "torn",
        "unfinished",
    }
    assert len(report["problems"]) == 2
    assert [one["state"] for one in report["changes"]] == [None]
