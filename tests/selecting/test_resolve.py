"""What `resolve` and `pseudonym` write, say and refuse."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
from pathlib import Path

import jsonschema
import pytest

from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.model.patient import PatientKey

from ..answer import Answer
from .conftest import KEEP, KEY, REMOVE, Made, Project, dicom_file

OLD_US = "{level: study, studyDate: {olderThan: 10y}, modalities: {only: [US]}}"
OLD = "{level: study, studyDate: {olderThan: 10y}}"
COHORT = "{level: study, patients: {keyed: cohorts/trial7.keyed}}"
ROOT = Path(__file__).parents[2]
DAY = ("--as-of", "2025-06-01")


@pytest.fixture
def filled(project: Project) -> Project:
    project.put(
        Made("1.2.10", "20140301", "P1", "A1", (("US", 2), ("US", 1))),
        Made("1.2.9", "20150301", "P2", "A2"),
        Made("1.2.8", "20150301", "P2", "A3", (("US", 1), ("SR", 1))),
        Made("1.2.7", "20250301", "P3", "A4"),
        Made("1.2.6", None, "P3", "A5"),
    )
    return project


@pytest.fixture
def key(project: Project) -> tuple[str, Path]:
    return "--patient-key", project.folder.parent / "patient.key"


def pseudonyms(project: Project, monkeypatch: pytest.MonkeyPatch, text: str, *options: str) -> str:
    stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    key = project.folder.parent / "patient.key"
    done = project.run("pseudonym", "--patient-key", key, *options)
    assert done.code == 0, done.err
    return done.out


def test_a_rule_becomes_a_list_and_the_file_that_pins_it(filled: Project) -> None:
    filled.write("us-10y.yaml", OLD_US)

    done = filled.run("resolve", *DAY)

    assert done.code == 0, done.err
    assert done.out == (
        "selectors/us-10y.yaml, as of 2025-06-01: 2 studies, 3 series, 4 instances to remove,"
        " of 5 studies in the store\n"
        "  years: 2014 1, 2015 1\n"
        "  modalities: US 2\n"
        "  cannot be judged by these conditions, and are not listed: 1 study\n"
        "    1.2.6: studyDate\n"
        "  specs/resolved/us-10y.yaml is written: 2 rows added, 0 removed\n"
    )
    assert filled.listed("us-10y") == ["1.2.10", "1.2.9"]
    text = filled.pinned("us-10y")
    digest = re.search('digest: "(sha256:[0-9a-f]{64})"', text)
    assert digest is not None
    assert text.replace(digest[1], "DIGEST").replace(list_digest(filled), "SHA256") == (
        "# Written by reconciler resolve. Change the selector, and resolve it again.\n"
        "version: 1\n"
        "store:\n"
        "  projectsId: demo-project\n"
        "  locationsId: europe-west4\n"
        "  datasetsId: demo-dataset\n"
        "  dicomStoresId: demo-store\n"
        "resolvedFrom:\n"
        '  selector: "../../selectors/us-10y.yaml"\n'
        '  digest: "DIGEST"\n'
        '  asOf: "2025-06-01"\n'
        "  studies: 2\n"
        "  series: 3\n"
        "  instances: 4\n"
        "  notJudged: 1\n"
        "  years:\n"
        '    "2014": 1\n'
        '    "2015": 1\n'
        "  modalities:\n"
        "    US: 2\n"
        "limits:\n"
        "  maxDeletions: 4\n"
        "  maxStudiesEmptied: 2\n"
        "  maxSeriesEmptied: 3\n"
        "remove:\n"
        "  - inventory:\n"
        "      path: us-10y.csv\n"
        "      sha256: SHA256\n"
        "      count: 2\n"
        "    reason:\n"
        '      code: "113039"\n'
        "      ticket: RET-7\n"
    )
    assert filled.run("fmt", "--check", "specs").code == 0
    assert filled.run("plan").code == 0


def list_digest(project: Project) -> str:
    data = (project.folder / "specs" / "resolved" / "us-10y.csv").read_bytes()
    return hashlib.sha256(data).hexdigest()


def test_the_digest_is_what_sha256sum_prints_hashed_again(
    filled: Project, monkeypatch: pytest.MonkeyPatch, key: tuple[str, Path]
) -> None:
    path = filled.write("a.yaml", COHORT)
    cohort = filled.folder / "selectors" / "cohorts" / "trial7.keyed"
    cohort.parent.mkdir()
    cohort.write_text(pseudonyms(filled, monkeypatch, "P1\n"))
    assert filled.run("resolve", *DAY, *key).code == 0

    sums = [(path, "a.yaml"), (cohort, "cohorts/trial7.keyed")]
    printed = "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {n}\n" for p, n in sums)
    assert f"sha256:{hashlib.sha256(printed.encode()).hexdigest()}" in filled.pinned("a")
    inputs = {one["path"] for one in filled.run("plan", "--format", "json").json["plan"]["inputs"]}
    assert inputs >= {"selectors/a.yaml", "selectors/cohorts/trial7.keyed"}


@pytest.mark.parametrize("changed", ["a.yaml", "cohorts/trial7.keyed", "gone"])
@pytest.mark.parametrize("then", [REMOVE, KEEP])
def test_a_plan_refuses_a_list_whose_rule_has_changed(
    filled: Project,
    monkeypatch: pytest.MonkeyPatch,
    key: tuple[str, Path],
    changed: str,
    then: str,
) -> None:
    selectors = filled.folder / "selectors"
    filled.write("a.yaml", COHORT, then)
    (selectors / "cohorts").mkdir()
    (selectors / "cohorts/trial7.keyed").write_text(pseudonyms(filled, monkeypatch, "P1\n"))
    assert filled.run("resolve", *DAY, *key).code == 0
    neighbour = filled.folder / "specs" / "other.yaml"
    neighbour.write_text(filled.pinned("a").split("resolvedFrom")[0] + "remove: []\n")
    assert filled.run("plan").code == 0

    if changed == "gone":
        (selectors / "a.yaml").unlink()
    else:
        with (selectors / changed).open("a") as file:
            file.write("# key of somebody else\n")

    planned = filled.run("plan")
    assert planned.code == 1
    assert "specs/resolved/a.yaml:" in planned.err
    assert ("does not exist" if changed == "gone" else "has changed since") in planned.err
    # What a neighbour keeps counts, what it removes does not.
    assert filled.run("plan", "specs/other.yaml").code == (0 if then == REMOVE else 1)


def test_check_and_diff_write_nothing(filled: Project) -> None:
    filled.write("us-10y.yaml", OLD_US)
    assert filled.run("resolve", "--check").code == 2
    assert filled.run("resolve", "--diff", *DAY).code == 0
    assert not (filled.folder / "specs" / "resolved").exists()
    assert filled.run("resolve", *DAY).code == 0
    assert filled.run("resolve", "--check").code == 0

    filled.put(Made("1.2.5", "20100101"))
    before = filled.pinned("us-10y"), filled.listed("us-10y")
    assert filled.run("resolve", "--check").code == 2
    shown = filled.run("resolve", "--diff", *DAY)
    assert shown.code == 0
    assert {"+1.2.5", "-  studies: 2", "+  studies: 3"} <= set(shown.out.splitlines())
    assert (filled.pinned("us-10y"), filled.listed("us-10y")) == before
    assert filled.run("resolve", *DAY).code == 0
    assert filled.listed("us-10y") == ["1.2.10", "1.2.5", "1.2.9"]


def test_a_diff_shows_no_line_of_a_list_that_is_no_uid(filled: Project) -> None:
    filled.write("us-10y.yaml", OLD_US)
    assert filled.run("resolve", *DAY).code == 0
    path = filled.folder / "specs" / "resolved" / "us-10y.csv"
    path.write_text(path.read_text() + "SMITH^JOHN\n1.2.99\n")
    shown = filled.run("resolve", "--diff", *DAY)
    assert "SMITH" not in shown.out + shown.err
    assert "-1.2.99" in shown.out.splitlines()
    assert "0 rows added, 2 removed" in shown.out


def test_a_diff_shows_no_line_that_resolve_has_not_written(filled: Project) -> None:
    """What somebody added to the file that pins a list may name a patient."""
    filled.write("old.yaml", OLD)
    assert filled.run("resolve", *DAY).code == 0
    pinning = filled.folder / "specs" / "resolved" / "old.yaml"
    written = pinning.read_text()
    commented = written.replace("ticket: RET-7", "ticket: RET-6  # SMITH").replace(
        "version", "# SMITH\nversion"
    )
    for text, is_shown in (
        (written.replace("RET-7", "RET-6"), True),
        (commented, False),
        (written + "SMITH: RET-6\n", False),
        (written + "SMITH, RET-6\n", False),
    ):
        pinning.write_text(text)
        shown = filled.run("resolve", "--diff", *DAY)
        assert "SMITH" not in shown.out + shown.err
        assert "--- specs/resolved/old.yaml" in shown.out
        assert ("RET-6" in shown.out) is is_shown


def test_a_day_to_come_is_looked_at_and_not_written(filled: Project) -> None:
    filled.write("old.yaml", OLD)
    ahead = ("--as-of", "2999-01-01")
    assert filled.run("resolve", *ahead).code == 1
    shown = filled.run("resolve", "--diff", *ahead)
    assert shown.code == 0
    assert "+1.2.7" in shown.out.splitlines()


@pytest.mark.parametrize("path", ["/series", "/studies"])
def test_a_search_that_cannot_be_read_writes_nothing(filled: Project, path: str) -> None:
    filled.write("a.yaml", OLD)
    filled.write("b.yaml", OLD_US)
    fault = FaultRule(FaultKind.TRUNCATE, "GET", rf"{path}\?.*offset=[1-9]", body_bytes=5)
    filled.emulator.set_faults(Faults((fault,)))
    done = filled.run("resolve", *DAY)
    assert done.code == 1, done.out
    assert done.out == ""
    assert not (filled.folder / "specs" / "resolved").exists()


def test_series_are_listed_with_their_study_and_empty_it_only_if_all_are(filled: Project) -> None:
    filled.write("sr.yaml", "{level: series, modalities: {any: [SR]}}")
    filled.write("us.yaml", "{level: series, modalities: {only: [US]}, studyDate: {olderThan: 3y}}")
    done = filled.run("resolve", *DAY, "--format", "json")
    assert filled.listed("sr") == ["1.2.8,1.2.8.2"]
    assert filled.listed("us") == [
        *("1.2.10,1.2.10.1", "1.2.10,1.2.10.2", "1.2.8,1.2.8.1", "1.2.9,1.2.9.1"),
    ]
    assert "maxStudiesEmptied: 0" in filled.pinned("sr")
    assert "maxStudiesEmptied: 2" in filled.pinned("us")
    schema = json.loads((ROOT / "schemas" / "resolution.schema.json").read_text())
    jsonschema.validate(done.json, schema)
    assert [one["modalities"] for one in done.json["lists"]] == [{"SR": 1}, {"US": 4}]
    for name in ("sr", "us"):
        assert filled.run("plan", f"specs/resolved/{name}.yaml").code == 0


def test_what_is_kept_has_its_hold_and_no_limits(filled: Project) -> None:
    filled.write("kept.yaml", "{level: study, studyDate: {before: 2015-01-01}}", KEEP)
    assert filled.run("resolve", *DAY).code == 0
    assert filled.listed("kept") == ["1.2.10", "1.2.6"]
    assert "hold: Teaching" in filled.pinned("kept")
    assert "limits" not in filled.pinned("kept")
    assert filled.run("plan").code == 0


def test_a_hold_that_somebody_owns_stands_in_the_list_as_it_is_written(filled: Project) -> None:
    owned = "{text: Teaching, owner: Library, ticket: LIB-3, reviewBy: 2999-01-01}"
    filled.write("kept.yaml", OLD, f"{{keep: {{hold: {owned}}}}}")
    assert filled.run("resolve", *DAY).code == 0
    text = filled.pinned("kept")
    for line in ("text: Teaching", "owner: Library", "ticket: LIB-3", 'reviewBy: "2999-01-01"'):
        assert f"      {line}\n" in text
    assert filled.run("plan").code == 0
    assert filled.run("fmt", "--check").code == 0


def test_an_empty_list_is_one(filled: Project) -> None:
    filled.write("none.yaml", "{level: study, studyDate: {before: 1900-01-01}}")
    assert filled.run("resolve", *DAY).code == 0
    assert filled.listed("none") == []
    assert "limits" not in filled.pinned("none")
    assert filled.run("plan").code == 0
    assert filled.run("fmt", "--check").code == 0


def test_a_cohort_is_compared_by_pseudonyms(
    filled: Project, monkeypatch: pytest.MonkeyPatch, key: tuple[str, Path]
) -> None:
    cohort = filled.folder / "selectors" / "cohorts" / "trial7.keyed"
    filled.write("trial7.yaml", COHORT, exceptions="[{accessions: {keyed: cohorts/w.keyed}}]")
    cohort.parent.mkdir()
    cohort.write_text(pseudonyms(filled, monkeypatch, "P2\nP1\n P1 \n\nP9\n"))
    numbers = pseudonyms(filled, monkeypatch, 'No,"Name, of"\nA2,x\n', "--accessions", *COLUMN)
    (cohort.parent / "w.keyed").write_text(numbers)

    refused = filled.run("resolve", *DAY)
    assert refused.code == 1
    assert "selectors/trial7.yaml:3 names pseudonyms, and no key is given" in refused.err
    assert filled.run("resolve", *DAY, *key).code == 0
    assert filled.listed("trial7") == ["1.2.10", "1.2.8"]
    asked = "\n".join(one.path for one in filled.emulator.requests())
    assert not re.search("P1|P2|A2|PatientID=|AccessionNumber=", asked)


COLUMN = ("--column", "No")


def test_a_cohort_of_another_key_is_refused(
    filled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = filled.folder / "selectors" / "cohorts" / "trial7.keyed"
    filled.write("trial7.yaml", COHORT)
    cohort.parent.mkdir()
    cohort.write_text(pseudonyms(filled, monkeypatch, "P1\n"))
    other = filled.folder.parent / "other.key"
    other.write_text("cd" * 32)
    other.chmod(0o600)
    done = filled.run("resolve", *DAY, "--patient-key", other)
    assert done.code == 1
    assert "selectors/trial7.yaml:3:42: these pseudonyms were made with another key" in done.err


def test_a_cohort_that_does_not_say_its_key_is_warned_of(
    filled: Project, monkeypatch: pytest.MonkeyPatch, key: tuple[str, Path]
) -> None:
    filled.write("trial7.yaml", COHORT)
    cohort = filled.folder / "selectors" / "cohorts" / "trial7.keyed"
    cohort.parent.mkdir()
    cohort.write_text(pseudonyms(filled, monkeypatch, "P1\n").partition("\n")[2])
    done = filled.run("resolve", *DAY, *key)
    assert done.code == 0
    assert filled.listed("trial7") == ["1.2.10"]
    assert "selectors/trial7.yaml:3:42: warning: these pseudonyms do not say" in done.err


def test_pseudonyms_are_those_of_apply_and_tell_no_order(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = pseudonyms(project, monkeypatch, "\ufeffP3\nP1\r\nP2\nP1\n")
    key = PatientKey(bytes.fromhex(KEY))
    first, *rest = out.splitlines()
    assert first == f"# key {key.check}"
    assert rest == sorted(key.pseudonym(one) for one in ("P1", "P2", "P3"))
    assert pseudonyms(project, monkeypatch, "P2\nP1\nP3\n") == out
    numbers = pseudonyms(project, monkeypatch, "P1\n", "--accessions").splitlines()[1:]
    assert all(one.startswith("accession-hmac-sha256:") for one in numbers)
    assert numbers[0].rpartition(":")[2] not in out


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_column_is_read_whatever_separates_the_cells(
    project: Project, monkeypatch: pytest.MonkeyPatch, separator: str
) -> None:
    table = separator.join(("No", '"Name, first, of"\nA2', "SMITH, JOHN, MD\n"))
    out = pseudonyms(project, monkeypatch, table, "--accessions", *COLUMN)
    assert out == pseudonyms(project, monkeypatch, "A2\n", "--accessions")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("above", ["", "sep=|\r\n"])
def test_what_excel_writes_is_read_as_the_importer_does(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    key: tuple[str, Path],
    encoding: str,
    above: str,
) -> None:
    cells = "No|Name\r\nA2|Übel\r\n" if above else "No\tName\r\nA2\tÜbel\r\n"

    def typed(text: str) -> Answer:
        stdin = io.TextIOWrapper(io.BytesIO(text.encode(encoding)))
        monkeypatch.setattr(sys, "stdin", stdin)
        return project.run("pseudonym", *key, "--accessions", *COLUMN)

    done = typed(above + cells)
    assert done.code == 0, done.err
    assert done.out == pseudonyms(project, monkeypatch, "A2\n", "--accessions")
    wrong = typed(f"{above}{cells}A3\r\n")
    assert wrong.code == 1
    assert f"line {4 if above else 3} has 1 cell, not 2" in wrong.err


def test_what_a_rule_names_and_the_store_does_not_hold_is_counted(
    filled: Project, monkeypatch: pytest.MonkeyPatch, key: tuple[str, Path]
) -> None:
    """A mistyped id selects nothing, and nothing else shows it."""
    cohorts = filled.folder / "selectors" / "cohorts"
    cohorts.mkdir(parents=True)
    (cohorts / "trial7.keyed").write_text(pseudonyms(filled, monkeypatch, "P1\nP7\nP8\n"))
    (cohorts / "w.keyed").write_text(pseudonyms(filled, monkeypatch, "A2\n", "--accessions"))
    (cohorts / "list.csv").write_text("Study UID\n1.2.9\n1.2.99\n")
    filled.write("trial7.yaml", COHORT, exceptions="[{accessions: {keyed: cohorts/w.keyed}}]")
    filled.write("a.yaml", "{level: study, studies: {csv: cohorts/list.csv, column: Study UID}}")
    done = filled.run("resolve", *DAY, *key)
    assert done.code == 0, done.err
    assert "not found in the store: 2 of 3 patients that the rule names\n" in done.out
    assert "not found in the store: 1 of 2 studies that the rule names\n" in done.out
    assert "accession number" not in done.out
    assert "  notFound:\n    patients: 2\n" in filled.pinned("trial7")
    assert "  notFound:\n    studies: 1\n" in filled.pinned("a")
    assert filled.run("plan").code == 0
    assert filled.run("fmt", "--check", "specs").code == 0
    lists = filled.run("resolve", "--format", "json", *DAY, *key).json
    jsonschema.validate(
        lists, json.loads((ROOT / "schemas" / "resolution.schema.json").read_text())
    )
    assert [one["named"] for one in lists["lists"]] == [
        {"studies": {"total": 2, "not_found": 1}},
        {
            "patients": {"total": 3, "not_found": 2},
            "accessions": {"total": 1, "not_found": 0},
        },
    ]


def test_a_file_of_two_keys_is_no_cohort(
    filled: Project, monkeypatch: pytest.MonkeyPatch, key: tuple[str, Path]
) -> None:
    """Pseudonyms of another key name nobody; as an exception they would exempt nobody."""
    filled.write("old.yaml", OLD, exceptions="[{patients: {keyed: both.keyed}}]")
    other = f"# key {'0' * 16}\nhmac-sha256:{'0' * 64}\n"
    mine = pseudonyms(filled, monkeypatch, "P1\n")
    path = filled.folder / "selectors" / "both.keyed"
    path.write_text(other + mine)
    done = filled.run("resolve", *DAY, *key)
    assert done.code == 1
    assert "selectors/both.keyed:3:1: pseudonyms of two keys stand in one file" in done.err
    path.write_text(mine + mine)
    assert filled.run("resolve", *DAY, *key).code == 0


def test_a_pointer_of_git_lfs_is_no_exported_list(filled: Project) -> None:
    filled.write("a.yaml", "{level: study, studies: {csv: ris.csv, column: UID}}")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (filled.folder / "selectors" / "ris.csv").write_text(pointer)
    done = filled.run("resolve", *DAY)
    assert done.code == 1
    assert "selectors/ris.csv is a Git LFS pointer" in done.err


def test_a_file_that_names_nothing_is_said(
    filled: Project, monkeypatch: pytest.MonkeyPatch, key: tuple[str, Path]
) -> None:
    """It may be what a failed export left; as an exception it exempts nothing."""
    (filled.folder / "selectors").mkdir()
    (filled.folder / "selectors" / "list.csv").write_text("UID\n")
    (filled.folder / "selectors" / "w.keyed").write_text(pseudonyms(filled, monkeypatch, ""))
    listed = "{studies: {csv: list.csv, column: UID}}"
    filled.write("old.yaml", OLD, exceptions=f"[{listed}, {{patients: {{keyed: w.keyed}}}}]")
    done = filled.run("resolve", *DAY, *key)
    assert done.code == 0
    assert "  names no study: the file lists none\n" in done.out
    assert "  names no patient: the file lists none\n" in done.out


@pytest.mark.parametrize("paths", [(), ("specs",), ("selectors",), ("selectors/a.yaml",)])
def test_validate_checks_selectors_and_what_they_name(
    filled: Project, paths: tuple[str, ...]
) -> None:
    filled.write("a.yaml", COHORT)
    cohort = filled.folder / "selectors" / "cohorts" / "trial7.keyed"
    (filled.folder / "specs" / "none.yaml").write_text(
        filled.write("b.yaml", OLD).read_text().partition("select")[0] + "remove: []\n"
    )
    done = filled.run("validate", *paths)
    assert done.code == 1
    assert "selectors/a.yaml:3:42: selectors/cohorts/trial7.keyed does not exist" in done.err
    cohort.parent.mkdir()
    cohort.write_text("SMITH\n")
    done = filled.run("validate", *paths)
    assert done.code == 1
    assert "selectors/cohorts/trial7.keyed:1:1: the line is not" in done.err
    assert "SMITH" not in done.out + done.err
    cohort.write_text(f"hmac-sha256:{'0' * 64}\n")
    assert filled.run("validate", *paths).code == 0
    assert filled.run("validate", "selectors/b.yaml").code == 0
    assert filled.emulator.requests() == []


def test_an_empty_file_is_no_cohort(filled: Project, key: tuple[str, Path]) -> None:
    """As a command leaves it that failed; as an exception it would exempt nobody."""
    filled.write("old.yaml", OLD, exceptions="[{patients: {keyed: cohorts/trial7.keyed}}]")
    cohort = filled.folder / "selectors" / "cohorts" / "trial7.keyed"
    cohort.parent.mkdir()
    cohort.touch()
    done = filled.run("resolve", *DAY, *key)
    assert done.code == 1
    assert "selectors/cohorts/trial7.keyed:1:1: the file is empty" in done.err
    assert not (filled.folder / "specs" / "resolved").exists()


@pytest.mark.parametrize(
    "case",
    [
        (b"SMITH\xff\n", None, "not text in UTF-8"),
        (b"Name\nSMITH\n", "PatientID", "not one column 'PatientID'"),
        (b"PatientID,Name\nSMITH\n", "PatientID", "line 2 has 1 cell, not 2"),
        (b'PatientID\n"SMITH\n', "PatientID", "line 2 is not CSV"),
    ],
)
def test_what_cannot_be_read_is_never_quoted(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    key: tuple[str, Path],
    case: tuple[bytes, str | None, str],
) -> None:
    data, column, said = case
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    done = project.run("pseudonym", *key, *(("--column", column) if column else ()))
    assert done.code == 1
    assert said in done.err
    assert "SMITH" not in done.out + done.err


def test_a_key_that_others_can_read_is_warned_of(
    project: Project, monkeypatch: pytest.MonkeyPatch, key: tuple[str, Path]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"P1\n")))
    assert "others can read" not in project.run("pseudonym", *key).err
    key[1].chmod(0o640)
    for command in (("pseudonym",), ("resolve",), ("apply", "plan.json")):
        assert f"warning: others can read the key in {key[1]}" in project.run(*command, *key).err


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a.yaml", "a.yml"], "selectors/a.yml and selectors/a.yaml would have one list"),
        (["../elsewhere.yaml"], "elsewhere.yaml does not lie in selectors/"),
    ],
)
def test_each_list_has_one_selector_in_its_folder(
    filled: Project, names: list[str], said: str
) -> None:
    paths = [filled.write(name, OLD) for name in names]
    done = filled.run("resolve", *paths)
    assert done.code == 1
    assert said in done.err


def test_selectors_in_folders_have_lists_in_folders(filled: Project) -> None:
    filled.write("a/b/old.yml", OLD)
    assert filled.run("resolve", *DAY).code == 0
    assert filled.listed("a/b/old") == ["1.2.10", "1.2.8", "1.2.9"]
    assert 'selector: "../../../../selectors/a/b/old.yml"' in filled.pinned("a/b/old")
    assert filled.run("plan").code == 0


def test_lists_in_one_plan_are_each_held_to_their_own_limits(filled: Project) -> None:
    filled.write("us.yaml", OLD_US)
    filled.write("sr.yaml", "{level: study, modalities: {any: [SR]}}")
    assert filled.run("resolve", *DAY).code == 0
    assert filled.run("plan").code == 0

    more = Made("1.2.8", "20150301", "P2", "A3")
    for instance in (2, 3):
        file = dicom_file(more, "1.2.8.2", instance, "SR")
        filled.emulator.ingest(filled.store, file)
    done = filled.run("plan")
    assert done.code == 3
    assert "raise limits.maxDeletions by 2 in the file that is over it" in " ".join(
        done.out.split()
    )


def test_selectors_of_one_store_are_searched_for_once(filled: Project) -> None:
    filled.write("old.yaml", OLD)
    filled.write("us.yaml", OLD_US)
    filled.write("sr.yaml", "{level: series, modalities: {any: [SR]}}")
    filled.emulator.clear_requests()
    assert filled.run("resolve", "selectors/us.yaml", *DAY).code == 0
    alone = filled.searches(), filled.pinned("us")
    filled.emulator.clear_requests()
    assert filled.run("resolve", *DAY).code == 0
    assert (filled.searches(), filled.pinned("us")) == alone
    assert [filled.listed(name) for name in ("sr", "us")] == [
        ["1.2.8,1.2.8.2"],
        ["1.2.10", "1.2.9"],
    ]


def test_few_requests_are_sent_and_series_are_asked_for_only_if_need_be(filled: Project) -> None:
    filled.write("old.yaml", OLD)
    filled.emulator.clear_requests()
    assert filled.run("resolve", *DAY).code == 0
    assert [path.partition("?")[0].rpartition("/")[2] for path in filled.searches()] == [
        "studies"
    ] * 3
    assert "modalities" not in filled.pinned("old")
