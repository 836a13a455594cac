"""import, fmt and filter-file: nobody types UIDs."""

from __future__ import annotations

import re

import pytest

from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults
from reconciler.model.address import StoreAddress

from ..answer import Answer
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


def remove(project: Project, *arguments: str, out: str = "specs/remove.yaml") -> Answer:
    why = ("--remove", "--reason", "113037", "--ticket", "QA-7", "--text", "wrong patient")
    return project.run("import", DEMO_STORE, *arguments, *why, "--out", out)


def test_what_is_imported_to_be_removed_is_what_a_plan_deletes(project: Project) -> None:
    wanted = project.fill(1, 1, range(5))
    project.fill(2, 1, range(5))
    archive = project.folder.parent / "archive"
    answer = remove(project, "--study", wanted[0].study_uid, "--archive", str(archive))
    assert answer.code == 0, answer.err
    assert project.run("fmt", "--check").code == 0
    plan = project.run("plan", "--out", "plan.json")
    assert plan.code == 0, plan.err
    lines = project.run("filter-file", "plan.json")
    assert (lines.code, lines.out.splitlines()) == (0, [str(one) for one in sorted(wanted)])
    assert project.run("filter-file", "plan.json", "--out", "filter.txt").out == ""
    assert (project.folder / "filter.txt").read_text() == lines.out
    assert project.deletes() == []
    assert project.run("apply", "plan.json").code == 0
    (bag,) = archive.iterdir()
    assert len(list(bag.rglob("*.dcm"))) == 5


def limits_in(text: str) -> dict[str, int]:
    found = re.findall(r"^  (max[A-Za-z]+): (\d+)$", text, re.MULTILINE)
    return {name: int(value) for name, value in found}


def test_each_imported_limit_is_what_the_plan_needs_and_no_more(project: Project) -> None:
    project.fill(1, 1, range(150))
    project.fill(1, 2, range(2))
    project.fill(2, 1, range(3))
    assert remove(project).code == 0
    path = project.folder / "specs/remove.yaml"
    text = path.read_text()
    expected = {"maxDeletions": 155, "maxStudiesEmptied": 2, "maxSeriesEmptied": 3}
    assert limits_in(text) == expected | {"maxStudyPercent": 100}
    assert project.run("plan").code == 0
    for name, value in limits_in(text).items():
        path.write_text(text.replace(f"{name}: {value}", f"{name}: {value - 1}"))
        answer = project.run("plan")
        assert (answer.code, f"({name}: {value} of" in answer.out) == (3, True), name


def test_what_is_kept_needs_no_limit(project: Project) -> None:
    project.fill(1, 1, range(3))
    assert limits_in(project.run("import", DEMO_STORE).out) == {}


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


REMOVE = ("import", str(DEMO_STORE), "--remove", "--reason", "113039")
EXPORT = "Name;Study UID;Series UID;SOPInstanceUID\r\n"


def exported(
    project: Project, rows: str, name: str = "../list.csv", encoding: str = "cp1252"
) -> str:
    """A list as a spreadsheet saves it."""
    (project.folder / name).write_bytes((EXPORT + rows).encode(encoding))
    return name


@pytest.mark.parametrize(
    ("columns", "counted", "ends", "limits"),
    [
        (
            ["studiesId=Study UID"],
            "2 whole studies",
            "remove:\n  - studiesId: 1.2.10\n  - studiesId: 1.2.9\n",
            {"maxStudiesEmptied": 2},
        ),
        (
            ["seriesId=Series UID", "studiesId=Study UID"],
            "2 whole series of 2 studies",
            "remove:\n  - studiesId: 1.2.10\n    seriesId: 1.2.10.1\n"
            "  - studiesId: 1.2.9\n    seriesId: 1.2.9.1\n",
            {"maxSeriesEmptied": 2},
        ),
        (
            ["studiesId=Study UID", "seriesId=Series UID", "SOPInstanceUID"],
            "3 instances in 2 series of 2 studies",
            "    instancesId:\n      - 1.2.9.1.1\n      - 1.2.9.1.2\n",
            {"maxDeletions": 3},
        ),
    ],
)
def test_an_exported_list_is_imported_by_its_columns(
    project: Project, columns: list[str], counted: str, ends: str, limits: dict[str, int]
) -> None:
    rows = "Müller;1.2.9;1.2.9.1;1.2.9.1.2\r\nMüller;1.2.9;1.2.9.1;1.2.9.1.1\r\n"
    name = exported(project, rows + "x;1.2.10;1.2.10.1;1.2.10.1.1\r\n\r\n")
    asked = [part for column in columns for part in ("--column", column)]
    answer = remove(project, "--csv", name, *asked)
    assert answer.code == 0, answer.err
    assert project.emulator.requests() == []
    repeats = "3 rows, 1 of which name again what another one does"
    assert (repeats in answer.err) == (len(columns) < 3)
    assert "../list.csv:1:1: warning: the name of this column reads like" in answer.err
    text = (project.folder / "specs/remove.yaml").read_text()
    assert f"# {counted}, as listed by reconciler import.\n" in text
    assert text.endswith(ends)
    assert limits_in(text) == limits
    assert project.run("fmt", "--check").code == 0
    assert project.run("validate").code == 0


def test_an_inventory_of_studies_is_imported_as_studies(project: Project) -> None:
    (project.folder / "list.csv").write_text("studiesId\n1.2.1\n1.2.3\n1.2.1\n")
    answer = remove(project, "--csv", "list.csv")
    assert answer.code == 0, answer.err
    text = (project.folder / "specs/remove.yaml").read_text()
    assert text.endswith("remove:\n  - studiesId: 1.2.1\n  - studiesId: 1.2.3\n")
    assert limits_in(text) == {"maxStudiesEmptied": 2}


SENTINELS = ("SENTINEL^XQZ", "18990417", "17.4.1899", "SENTINELACC55")


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ("{0};1.2.9;1.2.9.1;1.2.9.1.1\r\n", 0),
        ("{0};{0};{1};{2}\r\n", 1),
        ("{0};1.2.9;1.2.9.1;{3};1.2.9.1.1\r\n", 1),
        ('"{0};1.2.9;1.2.9.1;1.2.9.1.1\r\n{3}', 1),
        ("{1};{2};{1};={3}\r\n", 1),
    ],
)
def test_nothing_of_a_patient_in_an_exported_list_goes_anywhere(
    project: Project, rows: str, code: int
) -> None:
    name = exported(project, rows.format(*SENTINELS))
    columns = ("studiesId=Study UID", "seriesId=Series UID", "SOPInstanceUID")
    asked = [part for column in columns for part in ("--column", column)]
    answer = remove(project, "--csv", name, *asked)
    assert answer.code == code, answer.err
    headless = remove(project, "--csv", name, "--column", "StudyInstanceUID", out="specs/b.yaml")
    strict = remove(project, "--csv", name, out="specs/b.yaml")
    (project.folder / name).write_text(rows.format(*SENTINELS).replace(";", ","))
    bare = remove(project, "--csv", name, out="specs/b.yaml")
    assert {headless.code, strict.code, bare.code} == {1}
    written = [path.read_text() for path in project.folder.rglob("*") if path.is_file()]
    assert len(written) == (1 if code == 0 else 0)
    said = [part for one in (answer, headless, strict, bare) for part in (one.out, one.err)]
    assert not [text for text in (*said, *written) for needle in SENTINELS if needle in text]


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
        (["import", str(DEMO_STORE), "--column", "StudyInstanceUID"], "belongs to --csv"),
        (
            ["import", str(DEMO_STORE), "--csv", "a", "--column", "UID"],
            "'UID' does not name the level",
        ),
        (["import", str(DEMO_STORE), "--archive", "/srv/archive"], "belongs to --remove"),
        ([*REMOVE, "--archive", "archive"], "takes an absolute path"),
        ([*REMOVE, "--archive", "/a\nb"], "takes an absolute path"),
        ([*REMOVE, "--archive", "INSIDE"], "lies inside the project"),
        (["import", str(StoreAddress("no", "no", "no", "no"))], "no"),
        (["filter-file", "none.json"], "none.json"),
        (["fmt", "none.yaml"], "none.yaml does not exist"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_message(
    project: Project, arguments: list[str], said: str
) -> None:
    (project.folder / "there.yaml").write_text("mine")
    inside = str(project.folder / "archive")
    answer = project.run(*(inside if one == "INSIDE" else one for one in arguments))
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
