"""Every gate at its boundary, over several files and several stores, at plan and at apply."""

from __future__ import annotations

import hashlib

import pytest

from reconciler.model.address import StoreAddress

from .conftest import REASON, Project, address, removal

SECOND = StoreAddress("demo-project", "europe-west4", "demo-dataset", "research")


@pytest.mark.parametrize(("limit", "code"), [(2, 3), (3, 0), (4, 0)])
def test_each_of_several_files_is_held_to_its_own_limit(
    project: Project, limit: int, code: int
) -> None:
    instances = project.fill(1, 1, range(1, 20))
    project.write("a.yaml", f"{REASON}limits: {{maxDeletions: {limit}}}\n" + removal(instances[:3]))
    project.write("b.yaml", f"{REASON}limits: {{maxDeletions: 50}}\n" + removal(instances[3:6]))
    planned = project.run("plan", "--out", "plan.json")
    assert planned.code == code
    assert f"maxDeletions: 6 of at most {limit + 3}" in planned.out
    assert project.run("apply", "plan.json").code == code
    assert len(project.deletes()) == (0 if code else 6)


def test_a_list_that_was_applied_does_not_hold_up_the_next(project: Project) -> None:
    """Each has the limits that it needs, and stays in the files."""
    instances = project.fill(1, 1, range(1, 20))
    project.write("a.yaml", f"{REASON}limits: {{maxDeletions: 2}}\n" + removal(instances[:2]))
    assert project.run("apply", "--auto-approve").code == 0
    project.write("b.yaml", f"{REASON}limits: {{maxDeletions: 5}}\n" + removal(instances[2:7]))
    planned = project.run("plan")
    assert planned.code == 0
    assert "maxDeletions: 5 of at most 5" in planned.out
    project.write("c.yaml", "limits: {maxDeletions: 4}\nkeep: []\n")
    assert project.run("plan").code == 3
    project.write("c.yaml", f"{REASON}limits: {{maxDeletions: 1}}\n" + removal(instances[7:8]))
    assert project.run("plan").code == 0
    project.write("c.yaml", f"{REASON}limits: {{maxDeletions: 1}}\n" + removal(instances[7:9]))
    assert project.run("plan").code == 3


@pytest.mark.parametrize(("percent", "code"), [(29, 3), (30, 0), (31, 0)])
def test_max_study_percent(project: Project, percent: int, code: int) -> None:
    instances = project.fill(1, 1, range(1, 11))
    limits = f"limits: {{maxStudyPercent: {percent}}}\n"
    project.write("a.yaml", REASON + limits + removal(instances[:3]))
    assert project.run("plan", "--out", "plan.json").code == code
    assert project.run("apply", "plan.json").code == code
    assert len(project.deletes()) == (0 if code else 3)


@pytest.mark.parametrize(("studies", "series", "code"), [(1, 4, 3), (2, 3, 3), (2, 4, 0)])
def test_emptied_studies_and_series(project: Project, studies: int, series: int, code: int) -> None:
    for study in (1, 2):
        for one in (1, 2):
            project.fill(study, one, range(1, 4))
    wholes = "".join(f"  - studiesId: {address(study, 1, 1).study_uid}\n" for study in (1, 2))
    limits = f"limits: {{maxStudiesEmptied: {studies}, maxSeriesEmptied: {series}}}\n"
    project.write("a.yaml", f"{REASON}{limits}remove:\n{wholes}")
    assert project.run("plan", "--out", "plan.json").code == code
    assert project.run("apply", "plan.json").code == code
    assert len(project.deletes()) == (0 if code else 12)


def test_limits_are_counted_for_each_store_and_one_closed_gate_stops_all(
    project: Project,
) -> None:
    project.emulator.add_store(SECOND)
    here = project.fill(1, 1, range(1, 20))
    there = [address(1, 2, number) for number in range(1, 20)]
    project.emulator.ingest_synthetic(SECOND, there[0].series, [one.instance_uid for one in there])
    body = f"{REASON}limits: {{maxDeletions: 3}}\n"
    project.write("a.yaml", body + removal(here[:3]))
    project.write("b.yaml", body + removal(there[:4]), store=SECOND)
    planned = project.run("plan", "--out", "plan.json")
    assert planned.code == 3
    assert "maxDeletions: 4 of at most 3" in planned.out
    assert "maxDeletions: 3 of" not in planned.out
    assert project.run("apply", "plan.json").code == 3
    assert project.deletes() == []

    project.write("b.yaml", body + removal(there[:3]), store=SECOND)
    assert project.run("plan", "--out", "plan.json").code == 0
    assert project.run("apply", "plan.json").code == 0
    assert project.content() == set(here[3:])
    assert project.emulator.instances(SECOND) == set(there[3:])


def test_a_gate_is_evaluated_again_at_apply(project: Project) -> None:
    """A plan file whose gates are said to be passed is not believed."""
    project.write(
        "a.yaml",
        f"{REASON}limits: {{maxDeletions: 1}}\n" + removal(project.fill(1, 1, range(1, 20))[:2]),
    )
    assert project.run("plan", "--out", "plan.json").code == 3
    path = project.folder / "plan.json"
    text = path.read_text().replace('"passed":false', '"passed":true')
    path.write_text(reseal(text))
    refused = project.run("apply", "plan.json")
    assert refused.code == 3
    assert "maxDeletions" in refused.err
    assert project.deletes() == []


def reseal(text: str) -> str:
    body = text[: text.index(',\n"seal"')]
    return f'{body},\n"seal":"sha256:{hashlib.sha256(body.encode()).hexdigest()}"}}\n'
