"""import, fmt and filter-file: nobody types UIDs."""

from __future__ import annotations

import re

import pytest

from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults
from reconciler.model.address import StoreAddress

from .conftest import LIMITS_OPEN, REASON, Project, address, removal


def test_what_is_imported_is_kept_and_nothing_is_to_do(project: Project) -> None:
    project.fill(1, 1, range(120))
    project.fill(1, 2, range(2))
    project.fill(2, 1, range(3))
    answer = project.run("import", DEMO_STORE, "--out", "specs/keep.yaml")
    assert answer.code == 0, answer.err
    assert "125 instances in 3 series of 2 studies" in answer.err
    text = (project.folder / "specs/keep.yaml").read_text()
    assert "  # OT, 120 instances\n" in text
    assert project.run("validate").code == 0
    assert project.run("fmt", "--check").code == 0
    plan = project.run("plan", "--detailed-exitcode")
    assert plan.code == 0, plan.err
    assert "Plan: 0 to delete, 0 already absent, 125 kept, 0 missing" in plan.out


def test_what_is_imported_to_be_removed_is_what_a_plan_deletes(project: Project) -> None:
    wanted = project.fill(1, 1, range(5))
    project.fill(2, 1, range(5))
    answer = project.run(
        *("import", DEMO_STORE, "--study", wanted[0].study_uid, "--remove"),
        *("--reason", "113037", "--ticket", "QA-7", "--text", "wrong patient"),
        *("--out", "specs/remove.yaml"),
    )
    assert answer.code == 0, answer.err
    plan = project.run("plan", "--out", "plan.json")
    assert plan.code == 3
    assert "maxSeriesEmptied" in plan.err
    lines = project.run("filter-file", "plan.json")
    assert (lines.code, lines.out.splitlines()) == (0, [str(one) for one in sorted(wanted)])
    assert project.run("filter-file", "plan.json", "--out", "filter.txt").out == ""
    assert (project.folder / "filter.txt").read_text() == lines.out
    assert project.deletes() == []


def test_nothing_of_the_patient_is_imported(project: Project) -> None:
    from reconciler.drill.real_files import store_real_files  # noqa: PLC0415 - only here

    stored = store_real_files(project.emulator, DEMO_STORE)
    answer = project.run("import", DEMO_STORE)
    assert answer.code == 0, answer.err
    for line in answer.out.splitlines():
        assert re.fullmatch(
            r"# .* as listed by reconciler import\.|version: 1|store:|keep:| {4}instancesId:"
            r"|  (projectsId|locationsId|datasetsId|dicomStoresId): [a-z0-9-]+"
            r'|  # ([A-Z0-9_ ]{1,16}, )?[0-9,]+ instances?|  (- studiesId|  seriesId): "?[0-9.]+"?'
            r'| {6}- "?[0-9.]+"?',
            line,
        ), line
    assert answer.out.count("      - ") == len(stored)


def test_a_list_is_imported_without_asking_the_store(project: Project) -> None:
    (project.folder / "list.csv").write_text(
        "instancesId,studiesId,seriesId\n1.2.3.5,1.2,1.2.3\n1.2.3.4,1.2,1.2.3\n"
    )
    answer = project.run("import", DEMO_STORE, "--csv", "list.csv", "--out", "specs/a.yaml")
    assert answer.code == 0, answer.err
    assert project.emulator.requests() == []
    assert project.run("fmt", "--check").code == 0
    text = (project.folder / "specs/a.yaml").read_text()
    assert text.endswith("    instancesId:\n      - 1.2.3.4\n      - 1.2.3.5\n")
    (project.folder / "bad.csv").write_text("studiesId,seriesId,instancesId\n1.2,1.2.3,..\n")
    answer = project.run("import", DEMO_STORE, "--csv", "bad.csv")
    assert answer.code == 1
    assert "bad.csv:2:11" in answer.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["import", "projects/p"], "is not the address of a DICOM store"),
        (["import", str(DEMO_STORE), "--study", "../.."], "not a UID"),
        (["import", str(DEMO_STORE), "--study", "9.9"], "does not list a study 9.9"),
        (["import", str(DEMO_STORE), "--remove"], "--remove needs a reason"),
        (["import", str(DEMO_STORE), "--reason", "113039"], "belong to --remove"),
        (["import", str(DEMO_STORE), "--out", "there.yaml"], "there.yaml exists already"),
        (["import", str(DEMO_STORE), "--csv", "none.csv"], "cannot read none.csv"),
        (["import", str(DEMO_STORE), "--csv", "a", "--study", "1.2"], "exclude each other"),
        (["import", str(StoreAddress("no", "no", "no", "no"))], "no"),
        (["filter-file", "none.json"], "none.json"),
        (["fmt", "none.yaml"], "none.yaml does not exist"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_message(
    project: Project, arguments: list[str], said: str
) -> None:
    (project.folder / "there.yaml").write_text("mine")
    answer = project.run(*arguments)
    assert answer.code == 1
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert (project.folder / "there.yaml").read_text() == "mine"


def test_a_store_that_does_not_answer_leaves_no_file(project: Project) -> None:
    project.fill(1, 1, range(3))
    rule = FaultRule(FaultKind.STATUS, "GET", path=r"/studies/[0-9.]+/instances", status=403)
    project.emulator.set_faults(Faults((rule,)))
    answer = project.run("import", DEMO_STORE, "--out", "specs/a.yaml")
    assert answer.code == 1
    assert not (project.folder / "specs/a.yaml").exists()


def test_of_several_stores_one_must_be_named(project: Project) -> None:
    other = StoreAddress(DEMO_STORE.project_id, DEMO_STORE.location_id, DEMO_STORE.dataset_id, "b")
    project.emulator.add_store(other)
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(project.fill(1, 1, range(2))))
    project.write("b.yaml", REASON + LIMITS_OPEN + removal([address(3, 1, 1)]), store=other)
    assert project.run("plan", "--out", "plan.json").code == 0
    answer = project.run("filter-file", "plan.json")
    assert answer.code == 1
    assert "several stores" in answer.err
    assert len(project.run("filter-file", "plan.json", "--store", DEMO_STORE).out.split()) == 2
    empty = project.run("filter-file", "plan.json", "--store", other)
    assert (empty.code, empty.out) == (0, "")
    assert "deletes nothing" in empty.err


# fmt


def test_files_are_formatted_in_place_and_named(project: Project) -> None:
    path = project.write("a.yaml", REASON + "remove: [{seriesId: 1.2.3, studiesId: 1.2.4}]  # so\n")
    before = path.read_text()
    check = project.run("fmt", "--check")
    assert (check.code, check.out) == (3, "specs/a.yaml\n")
    assert path.read_text() == before
    done = project.run("fmt")
    assert (done.code, done.out) == (0, "specs/a.yaml\n")
    assert "# so" in path.read_text()
    again = project.run("fmt", "--check")
    assert (again.code, again.out) == (0, "")
    assert "0 of 1 file would change" in again.err


def test_an_invalid_file_is_named_and_none_is_touched(project: Project) -> None:
    good = project.write("a.yaml", REASON + "remove: [{studiesId: 1.2.4}]\n")
    project.write("b.yaml", REASON + "remove: [{studiesId: x}]\n")
    before = good.read_text()
    answer = project.run("fmt")
    assert answer.code == 1
    assert "specs/b.yaml" in answer.err
    assert good.read_text() == before


def test_files_about_two_services_are_formatted_together(project: Project) -> None:
    project.write("a.yaml", REASON + "remove: []\n")
    orthanc = (
        "version: 1\nstore: {provider: orthanc, projectsId: p, locationsId: l, datasetsId: d,"
        " dicomStoresId: s}\n"
    )
    (project.folder / "specs/b.yaml").write_text(orthanc + "keep: []\n")
    assert project.run("fmt").code == 0
    assert project.run("validate").code == 0
    assert "  provider: orthanc\n" in (project.folder / "specs/b.yaml").read_text()
