"""The first record of a run can be shown to anybody; what only it holds is its secret.

It says who, when, and where the run comes from, and no UID of a study, series or instance.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.emulator import FaultKind, FaultRule, Faults

from ..answer import Answer
from ..journal.by_hand import lines_of
from .conftest import LIMITS_OPEN, REASON, ROOT, Project, removal

KINDS = {"run_started", "restore_started", "plan_made", "query_started", "nothing_done"}


@pytest.fixture
def answers(project: Project) -> list[Answer]:
    """Runs of every kind, those that are refused included, and what they said."""
    told: list[Answer] = []

    def typed(*arguments: str, code: int = 0) -> None:
        told.append(project.run(*arguments))
        assert told[-1].code == code, told[-1].err

    archive = project.folder.parent / "archive"
    archive.mkdir()
    gone = project.fill(1, 1, range(1, 4))
    part = project.fill(2, 1, range(1, 9))
    kept = project.fill(3, 1, range(1, 3))
    body = removal(gone + part[:1]) + removal(kept[:1], key="keep") + "    hold: Trial 7\n"
    project.write("a.yaml", REASON + f"archive: {{path: {archive}}}\n" + body)
    typed("plan", "--out", "plan.json", code=3)
    typed("apply", "plan.json", code=3)
    project.write("a.yaml", REASON + f"archive: {{path: {archive}}}\n" + LIMITS_OPEN + body)
    typed("plan", "--out", "plan.json", "--events", "events.jsonl")
    typed("apply", "plan.json", "--expect-digest", "sha256:0", code=3)
    project.emulator.set_faults(Faults((FaultRule(FaultKind.STATUS, "DELETE", status=403),)))
    typed("apply", "plan.json", code=4)
    project.emulator.set_faults(Faults())
    typed("plan", "--out", "plan.json")
    typed("apply", "plan.json", "--report", "report.json", "--events", "apply.jsonl")
    typed("apply", "plan.json")
    run = json.loads((project.folder / "report.json").read_text())["run"]
    only = [part[0].instance_uid, gone[0].instance_uid]
    typed("restore", run, "--only", only[0], "--only", only[1], "--report", "restored.json")
    typed("restore", run)
    typed("restore", run)
    typed("plan", code=3)  # what was restored reappeared
    place = " AND ".join(
        f"{name}='{value}'" for name, value in project.store.as_parameters().items()
    )
    place += f" AND studiesId='{kept[0].study_uid}' AND seriesId='{kept[0].series_uid}'"
    place += f" AND instancesId='{kept[0].instance_uid}'"
    typed("query", f"SELECT data FROM google.healthcare.instances WHERE {place}", "--output", "out")
    for command in (["verify"], ["report", "--format", "json"], ["export", "--format", "ocsf"]):
        typed("audit", *command)
    typed("status", "--format", "json")
    return told


def run_files(project: Project) -> list[Path]:
    return sorted((project.folder / ".reconciler").glob("*/*.jsonl"))


def test_no_first_record_holds_a_uid(project: Project, answers: list[Answer]) -> None:
    firsts = [lines_of(path)[0] for path in run_files(project)]

    assert {json.loads(first)["type"] for first in firsts} == KINDS
    for first in firsts:
        assert ROOT.encode() not in first


def test_what_was_asked_for_and_what_is_emptied_stands_behind_it(
    project: Project, answers: list[Answer]
) -> None:
    found = [json.loads(line) for path in run_files(project) for line in lines_of(path)]

    emptied = [one for one in found if one["type"] == "emptied_study"]
    assert {(one["studiesId"], one["deletions"]) for one in emptied} == {(f"{ROOT}.1", 3)}
    asked = [one["instancesId"] for one in found if one["type"] == "asked_for"]
    assert sorted(asked) == [f"{ROOT}.1.1.1", f"{ROOT}.2.1.1"]


def test_the_secret_of_a_run_stands_in_its_first_record_and_nowhere_else(
    project: Project, answers: list[Answer]
) -> None:
    """With it one could guess the records of which one sees only the hashes."""
    secrets = [json.loads(lines_of(path)[0])["secret"] for path in run_files(project)]
    assert len(set(secrets)) == len(secrets) > 10

    files = [path for path in project.folder.parent.rglob("*") if path.is_file()]
    everything = b"".join(path.read_bytes() for path in files)
    for secret in secrets:
        assert everything.count(secret.encode()) == 1
        for answer in answers:
            assert secret not in answer.out + answer.err
    for path in run_files(project):
        assert all(b'"secret"' not in line for line in lines_of(path)[1:])
