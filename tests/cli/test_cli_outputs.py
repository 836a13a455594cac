"""docs/reference/outputs.md is what the program does: every row of its tables is pinned here."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from reconciler.api.formats import PLAN_FORMATS, REPORT_FORMATS, RULES, VALIDATION_FORMATS
from reconciler.cli.options.formats import INSTEAD_OF_A_PLAN
from reconciler.emulator import DEMO_STORE, EmulatorSettings, running_emulator
from reconciler.reporting.markdown import COMMENT, STEP_SUMMARY_BYTES

from ..answer import typed
from .conftest import LIMITS_OPEN, REASON, Project, address, removal

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "outputs.md").read_text("utf-8")

PLAN_LINE = (
    r"Plan: \d+ to delete, \d+ already absent, \d+ kept, \d+ missing, \d+ unknown"
    r"(, \d+ never seen)? \(\d+ (study|studies), \d+ series\)\."
)
APPLY_LINE = (
    r"Apply: \d+ planned: \d+ deleted, \d+ already_absent,"
    r" \d+ absent_after_ambiguous_attempt, \d+ failed, \d+ unconfirmed, \d+ not_attempted\."
)
RESTORE_LINE = (
    r"Restore: \d+ archived: \d+ identical, \d+ same_dataset, \d+ conflict, \d+ failed,"
    r" \d+ unconfirmed, \d+ not_attempted\."
)


def table(head: str) -> list[list[str]]:
    """The rows of the table whose first column has this head."""
    start = re.search(rf"^\| {re.escape(head)} \|[^\n]*\n\|[-:| ]+\|\n", PAGE, re.MULTILINE)
    assert start
    lines = PAGE[start.end() :].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def code(cell: str) -> str:
    return cell.strip("`")


class Finished:
    """A project in which everything was done once: what it left, and what it said."""

    def __init__(self, project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project = project
        self.monkeypatch = monkeypatch
        archive = folder / "archive"
        archive.mkdir()
        instances = project.fill(1, 1, range(1, 11))[:3]
        project.write(
            "a.yaml",
            f"{REASON}archive: {{path: {archive}}}\nlimits: {{maxNeverSeen: 1}}\n"
            + removal([*instances, address(1, 1, 99)]),
        )
        self.outputs: dict[str, set[str]] = {}
        writes = {
            "validate": [f"--write={form}=v.{form}" for form in VALIDATION_FORMATS],
            "plan": [f"--write={form}=p.{form}" for form in PLAN_FORMATS],
            "apply": [f"--write={form}=a.{form}" for form in REPORT_FORMATS],
        }
        self.said = {}
        for name, arguments in (
            ("validate", ["validate", *writes["validate"]]),
            ("plan", ["plan", "--out", "plan.json", "--events", "p.events", *writes["plan"]]),
            ("apply", ["apply", "plan.json", "--events", "a.events", *writes["apply"]]),
        ):
            output = folder / f"{name}.output"
            monkeypatch.setenv("GITHUB_OUTPUT", str(output))
            self.said[name] = project.run(*arguments)
            assert self.said[name].code == 0, self.said[name].err
            lines = output.read_text("utf-8").splitlines()
            self.outputs[name] = {line.partition("=")[0] for line in lines}
        monkeypatch.delenv("GITHUB_OUTPUT")
        run = json.loads(self.text("a.json"))["run"]
        self.said["restore"] = project.run("restore", run, "--report", "r.json")
        assert self.said["restore"].code == 0, self.said["restore"].err

    def text(self, name: str) -> str:
        return (self.project.folder / name).read_text("utf-8")


@pytest.fixture(scope="module")
def done_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    folder = tmp_path_factory.mktemp("finished")
    with running_emulator(EmulatorSettings(folder / "store")) as emulator:
        project = Project(folder / "project", emulator, typed)
        (project.folder / ".git").mkdir(parents=True)
        with in_the_project(project) as monkeypatch:
            done = Finished(project, folder, monkeypatch)
        yield done


@contextmanager
def in_the_project(project: Project) -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(project.folder)
        monkeypatch.setenv("RECONCILER_ENDPOINT", project.emulator.url)
        for name in ("GOOGLE_APPLICATION_CREDENTIALS", "RECONCILER_STATE"):
            monkeypatch.delenv(name, raising=False)
        yield monkeypatch


@pytest.fixture
def finished(done_once: Finished) -> Iterator[Finished]:
    """What a pin adds to the files is taken away after it."""
    with in_the_project(done_once.project) as done_once.monkeypatch:
        yield done_once
    for path in (done_once.project.folder / "specs").glob("[!a]*"):
        path.unlink()


def fits(schema: str, *documents: str) -> None:
    """Every document is what the schema says, and refused with another major version."""
    text = (ROOT / "schemas" / f"{schema}.schema.json").read_text("utf-8")
    validator = jsonschema.Draft202012Validator(json.loads(text))
    assert documents
    for document in documents:
        validator.validate(json.loads(document))


def last_line(pattern: str, text: str) -> None:
    assert re.fullmatch(pattern, text.splitlines()[-1]), text.splitlines()[-1]


# A pin for each row of the table of stability


def exit_code(finished: Finished) -> None:
    """That of an apply stands in its report and its events too; the page of codes has its test."""
    ended = json.loads(finished.text("a.events").splitlines()[-1])["exit_code"]
    assert ended == json.loads(finished.text("a.json"))["exit_code"] == finished.said["apply"].code


def plan_file(finished: Finished) -> None:
    fits("plan", finished.text("plan.json"), finished.text("p.json"))
    finished.project.run("plan", "--out", "one.json")
    finished.project.run("plan", "--out", "two.json")
    one, two = (json.loads(finished.text(name)) for name in ("one.json", "two.json"))
    assert one["digest"] == two["digest"]
    assert one["plan_id"] != two["plan_id"]


def manifest(finished: Finished) -> None:
    for name in ("one", "two"):
        finished.project.run("plan", "--shard-size", "2", "--out", name)
    one, two = (finished.text(f"{name}/plan.json") for name in ("one", "two"))
    fits("manifest", one, two)
    assert json.loads(one)["digest"] == json.loads(two)["digest"]


def plan_text(finished: Finished) -> None:
    last_line(PLAN_LINE, finished.text("p.text"))


def apply_text(finished: Finished) -> None:
    last_line(APPLY_LINE, finished.text("a.text"))


def restore_text(finished: Finished) -> None:
    last_line(RESTORE_LINE, finished.said["restore"].out)


def run_report(finished: Finished) -> None:
    for name in ("a.json", "r.json"):
        fits("report", finished.text(name))


def validation(finished: Finished) -> None:
    fits("validation", finished.text("v.json"))


def events(finished: Finished) -> None:
    for name in ("p.events", "a.events"):
        lines = finished.text(name).splitlines()
        fits("event", *lines)
        assert json.loads(lines[0])["type"] == "version"
        assert json.loads(lines[-1])["type"] == "summary"


def journal(finished: Finished) -> None:
    for file in (finished.project.folder / ".reconciler" / "runs").glob("*.jsonl"):
        fits("journal-record", *file.read_text("utf-8").splitlines())


def verify_text(finished: Finished) -> None:
    pattern = r"Verify: \d+ runs?, \d+ records?: \d+ broken, \d+ notes?\."
    last_line(pattern, finished.project.run("audit", "verify").out)


def status(finished: Finished) -> None:
    fits("status", finished.project.run("status", "--holds", "--format", "json").out)


def status_text(finished: Finished) -> None:
    pattern = r"Status: \d+ unfinished, \d+ locks? held"
    last_line(rf"{pattern}\.", finished.project.run("status").out)
    last_line(rf"{pattern}, \d+ holds?\.", finished.project.run("status", "--holds").out)


def audit_report(finished: Finished) -> None:
    fits("audit-report", finished.project.run("audit", "report", "--format", "json").out)


def audit_csv(finished: Finished) -> None:
    text = finished.project.run("audit", "export", "--format", "csv").out
    columns = text.splitlines()[0].split(",")
    assert {"time", "run", "instancesId", "outcome", "ticket", "request_id"} <= set(columns)
    assert finished.project.run("audit", "report", "--format", "csv").out == text


def audit_export(finished: Finished) -> None:
    def ids(form: str) -> list[str]:
        lines = finished.project.run("audit", "export", "--format", form).out.splitlines()
        events = map(json.loads, lines)
        return [one["id"] if form == "fhir" else one["metadata"]["uid"] for one in events]

    assert ids("fhir") == ids("ocsf") == ids("fhir")
    assert len(set(ids("fhir"))) == 3


def sarif(finished: Finished) -> None:
    for name in ("v.sarif", "p.sarif"):
        (run,) = json.loads(finished.text(name))["runs"]
        assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(RULES)
    levels = {one["level"] for one in run["results"]}
    assert levels <= {"error", "warning"}


def codequality(finished: Finished) -> None:
    project = finished.project
    project.write("b.yaml", "remove:\n  - studiesId: 1..2\n")
    (finding,) = project.run("validate", "--format", "codequality").json
    assert (finding["check_name"], finding["severity"]) == ("invalid-uid", "critical")
    assert re.fullmatch(r"[0-9a-f]{64}", finding["fingerprint"])
    assert project.run("validate", "--format", "codequality").json == [finding]


def junit(finished: Finished) -> None:
    cases = ElementTree.fromstring(finished.text("v.junit")).iter("testcase")
    assert [(one.get("classname"), one.get("name")) for one in cases] == [
        ("validate", "specs/a.yaml")
    ]
    cases = ElementTree.fromstring(finished.text("p.junit")).iter("testcase")
    gates = [gate["name"] for gate in json.loads(finished.text("plan.json"))["gates"]]
    assert [one.get("name") for one in cases] == [*gates, "findings"]


def terraform(finished: Finished) -> None:
    assert finished.text("p.terraform") == '{"create": 0, "update": 0, "delete": 3}\n'


def filter_file(finished: Finished) -> None:
    listed = finished.project.run("filter-file", "plan.json").out.splitlines()
    uids = [line.rpartition("/")[2] for line in listed]
    assert uids == [address(1, 1, number).instance_uid for number in (1, 2, 3)]


def step_outputs(finished: Finished) -> None:
    told = {code(name): set(map(code, cells.split(", "))) for name, cells in table("command")}
    assert finished.outputs == told


def problems(finished: Finished) -> None:
    finished.project.write("b.yaml", "remove:\n  - studiesId: 1..2\n")
    err = finished.project.run("validate").err
    assert re.match(r"specs/b\.yaml:8:16: ", err)


def markdown(finished: Finished) -> None:
    project = finished.project
    many = project.fill(2, 1, range(1, 1501))
    project.write("c.yaml", REASON + LIMITS_OPEN + removal(many))
    assert len(project.run("plan", "--format", "markdown").out) <= COMMENT.most


def html(finished: Finished) -> None:
    page = finished.project.run("show", "plan.json", "--format", "html").out
    assert all(address(1, 1, number).instance_uid in page for number in (1, 2, 3))
    assert "default-src 'none'" in page
    assert not re.search(r"<(link|img|iframe|script) [^>]*(href|src)=", page)


def annotations(finished: Finished) -> None:
    finished.project.write("b.yaml", "remove:\n" + "  - studiesId: 1..2\n" * 12)
    finished.monkeypatch.setenv("GITHUB_ACTIONS", "true")
    lines = finished.project.run("validate").err.splitlines()
    assert len([line for line in lines if line.startswith("::error file=specs/b.yaml,")]) == 10


def progress(finished: Finished) -> None:
    assert "sent " in finished.said["plan"].err
    assert "sent " not in finished.said["plan"].out


def resolution(finished: Finished) -> None:
    project, folder = finished.project, finished.project.folder
    store = ", ".join(f"{key}: {value}" for key, value in DEMO_STORE.as_parameters().items())
    (folder / "selectors").mkdir()
    (folder / "selectors" / "old.yaml").write_text(
        f"version: 1\nstore: {{{store}}}\n"
        "select: {level: study, studyDate: {before: 2100-01-01}}\n"
        'then: {remove: {reason: {code: "113039"}}}\n'
    )
    files = []
    for _ in range(2):
        done = project.run("resolve", "--as-of", "2026-11-30", "--format", "json")
        assert done.code == 0, done.err
        fits("resolution", done.out)
        files.append([finished.text(f"specs/resolved/old.{end}") for end in ("csv", "yaml")])
    assert files[0] == files[1]
    shutil.rmtree(folder / "specs" / "resolved")


def cohort_file(finished: Finished) -> None:
    key = finished.project.folder / "patient.key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    finished.monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"P1\nP2\n")))
    done = finished.project.run("pseudonym", "--patient-key", str(key))
    first, *lines = done.out.splitlines()
    assert first.startswith("# key ")
    assert len([line for line in lines if re.fullmatch("hmac-sha256:[0-9a-f]{64}", line)]) == 2


PINS: dict[str, Callable[[Finished], None]] = {
    pin.__name__: pin
    for pin in (
        exit_code,
        plan_file,
        manifest,
        plan_text,
        apply_text,
        restore_text,
        run_report,
        validation,
        events,
        journal,
        verify_text,
        status,
        status_text,
        audit_report,
        audit_csv,
        audit_export,
        sarif,
        codequality,
        junit,
        terraform,
        filter_file,
        step_outputs,
        problems,
        markdown,
        html,
        annotations,
        progress,
        resolution,
        cohort_file,
    )
}


@pytest.mark.parametrize("row", [code(row[0]) for row in table("output")])
def test_what_is_said_to_stay_stays(finished: Finished, row: str) -> None:
    PINS[re.sub(r"\W", "_", row)](finished)


def test_every_pin_stands_in_the_table() -> None:
    assert {re.sub(r"\W", "_", code(row[0])) for row in table("output")} == set(PINS)
    assert {row[1] for row in table("output")} == {"stable", "for people"}


def test_the_lines_that_are_said_to_be_stable_are_those_that_are_written() -> None:
    shown = {code(row[0]): row[2] for row in table("output")}
    for row, pattern in (
        ("plan text", PLAN_LINE),
        ("apply text", APPLY_LINE),
        ("restore text", RESTORE_LINE),
    ):
        assert re.search(f"`{pattern}`", shown[row])


def test_the_table_of_forms_is_the_programs() -> None:
    forms = {
        "validate": VALIDATION_FORMATS,
        "plan": PLAN_FORMATS,
        "show": PLAN_FORMATS,
        "apply": REPORT_FORMATS,
    }
    rows = table("form")
    assert [code(row[0]) for row in rows] == list(PLAN_FORMATS)
    for name, *cells, _ in rows:
        told = dict(zip(forms, cells, strict=True))
        assert told == {
            command: "yes" if code(name) in known else "no" for command, known in forms.items()
        }


def test_the_forms_that_tell_of_invalid_files_are_named() -> None:
    (sentence,) = re.findall(r"`plan` then writes the problems as ([^.]+), so that", PAGE)
    assert set(re.findall(r"`(\w+)`", sentence)) == INSTEAD_OF_A_PLAN


def test_the_limits_that_are_told_are_the_programs() -> None:
    assert f"at most {COMMENT.most:,} characters" in PAGE
    assert f"{65_536 - COMMENT.most:,} of the 65,536 characters" in PAGE
    assert f"{STEP_SUMMARY_BYTES // 1024:,} KiB of a step" in PAGE


def test_every_type_of_event_is_explained() -> None:
    schema = json.loads((ROOT / "schemas" / "event.schema.json").read_text("utf-8"))
    types = [code(row[0]) for row in table("`type`")]
    assert types == schema["properties"]["type"]["enum"]
