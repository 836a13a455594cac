"""An instance that was removed and verified, and is there again."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Project, removal


def reason(code: str, ticket: str = "QA-7") -> str:
    return f'reason: {{code: "{code}", ticket: {ticket}}}\n'


def removed_and_back(project: Project, code: str, limits: str = "") -> None:
    instances = project.fill(1, 1, range(1, 6))
    project.write("a.yaml", reason(code) + limits + removal(instances[:1]))
    assert project.run("apply", "--auto-approve").code == 0
    project.fill(1, 1, [1])


@pytest.mark.parametrize("code", ["113037", "113038", "113680", "130754"])
def test_what_reappeared_is_looked_at_before_it_is_deleted_again(
    project: Project, code: str
) -> None:
    removed_and_back(project, code)
    planned = project.run("plan", "--out", "plan.json")
    assert planned.code == 3
    assert "(maxReappeared: 1 of at most 0)" in planned.out
    (run,) = (project.folder / ".reconciler" / "runs").glob("*.jsonl")
    assert f"removed by run {run.stem}" in planned.out
    assert project.run("apply", "plan.json").code == 3
    assert len(project.deletes()) == 1


@pytest.mark.parametrize("code", ["113039", "113001"])
def test_for_some_reasons_it_is_planned_again(project: Project, code: str) -> None:
    removed_and_back(project, code)
    planned = project.run("plan", "--out", "plan.json")
    assert planned.code == 0
    assert "Reappeared" in planned.out
    assert project.run("apply", "plan.json").code == 0
    assert len(project.content()) == 4


def test_the_reviewed_file_may_raise_the_limit(project: Project) -> None:
    removed_and_back(project, "113037", "limits: {maxReappeared: 1}\n")
    assert project.run("apply", "--auto-approve").code == 0
    assert len(project.content()) == 4


def test_coming_back_never_changes_the_digest(project: Project) -> None:
    instances = project.fill(1, 1, range(1, 6))
    project.write("a.yaml", reason("113037") + removal(instances[:1]))
    before = project.run("plan", "--format", "json").json
    assert project.run("apply", "--auto-approve").code == 0
    project.fill(1, 1, [1])
    after = project.run("plan", "--format", "json").json
    assert after["digest"] == before["digest"]
    assert (before["reappeared"], len(after["reappeared"])) == ([], 1)


def test_a_restored_instance_stays_until_the_line_that_removed_it_changes(
    project: Project, tmp_path: Path
) -> None:
    (instance,) = project.fill(1, 1, [1])
    others = project.fill(1, 2, range(1, 5))
    archive = f"archive: {{path: {tmp_path / 'archive'}}}\nlimits: {{maxSeriesEmptied: 1}}\n"
    project.write("a.yaml", reason("113039") + archive + removal([instance]))
    assert project.run("apply", "--auto-approve").code == 0
    (run,) = (project.folder / ".reconciler" / "runs").glob("*.jsonl")
    restored = project.run("restore", run.stem)
    assert restored.code == 0, restored.err
    assert project.content() == {instance, *others}

    planned = project.run("plan", "--out", "plan.json")
    assert planned.code == 3
    assert "(restored: 1 of at most 0)" in planned.out
    assert project.run("apply", "plan.json").code == 3
    assert project.content() == {instance, *others}

    # A line that only moves is the same line; another ticket makes it another decision.
    moved = "# a comment above it\n" + reason("113039")
    project.write("a.yaml", moved + archive + removal([instance]))
    assert project.run("plan").code == 3
    project.write("a.yaml", reason("113039", "QA-8") + archive + removal([instance]))
    assert project.run("apply", "--auto-approve").code == 0
    assert project.content() == set(others)
