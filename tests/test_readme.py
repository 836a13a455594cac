"""README and docs/ say what the program does: help texts, tables, examples, links."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from itertools import pairwise
from pathlib import Path

import bagit
import pytest

from reconciler.applying.outcome import DELETIONS, RESTORES, AttemptSummary, Comparison
from reconciler.cli.main import run
from reconciler.desired.inventory.reader import LEVELS
from reconciler.desired.load import load_desired_state
from reconciler.desired.problems import Problems
from reconciler.desired.schema.published import SELECTOR, desired_state_schema, scalar_types
from reconciler.desired.schema.validation import check_document
from reconciler.desired.yaml_tree.reader import SourceText, read_document
from reconciler.drill.selftest import PROMISES
from reconciler.emulator import DEMO_STORE, EmulatorSettings, running_emulator
from reconciler.emulator.faulty.fault_json import faults_from_json
from reconciler.emulator.faulty.faults import FaultKind
from reconciler.errors import ExitCode
from reconciler.json_codec import codec_of
from reconciler.model.desired import EntryKind, Limits, ReasonCode
from reconciler.model.gate import GateName
from reconciler.model.live import Presence
from reconciler.model.outcome import Operation, Outcome
from reconciler.model.plan import Action
from reconciler.model.reply import ReplyKind
from reconciler.planning.decision import DECISIONS
from reconciler.planning.reappeared import PLANNED_AGAIN

from .answer import typed_at

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
JOURNAL = (ROOT / "docs" / "journal.md").read_text(encoding="utf-8")
WIRE = (ROOT / "docs" / "wire.md").read_text(encoding="utf-8")
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

PAGE_IDS = [str(page.relative_to(ROOT)) for page in PAGES]

EXAMPLE_FILES = (
    "JPEG-lossy.dcm",
    "JPEG2000.dcm",
    "MR_small.dcm",
    "dicomdirtests/77654033/CT2/17106",
    "dicomdirtests/77654033/CT2/17136",
    "dicomdirtests/77654033/CT2/17166",
    "dicomdirtests/77654033/CT2/17196",
)
"""What the studies of the worked example hold, as the demo leaves them."""


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, each with a newline at its end."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def sessions() -> dict[str, str]:
    """What README shows after each command that it types."""
    found = {}
    for block in blocks(README, "console"):
        lines = block.splitlines(keepends=True)
        starts = [at for at, line in enumerate(lines) if line.startswith("$ ")]
        for at, after in pairwise([*starts, len(lines)]):
            found[lines[at][2:].strip()] = "".join(lines[at + 1 : after])
    return found


def table(text: str, *heads: str) -> list[list[str]]:
    """The rows of the table whose header starts with these cells."""
    header = re.escape("| " + " | ".join(heads))
    start = re.search(rf"^{header}[^\n]*\n\|[-:| ]+\|\n", text, re.MULTILINE)
    assert start, f"no table with the columns {heads}"
    rows = text[start.end() :].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next of its level."""
    level = heading.partition(" ")[0]
    return text[text.index(f"\n{heading}\n") + 1 :].partition(f"\n{level} ")[0]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_the_help_text_is_the_programs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["--help"]) == 0
    assert sessions()["reconciler --help"] == capsys.readouterr().out


@contextmanager
def example_project(folder: Path) -> Iterator[dict[str, str]]:
    """The worked example's file in a project, and its store; gives the environment."""
    specs = folder / "project" / "specs"
    specs.mkdir(parents=True)
    (specs / "quality.yaml").write_text(blocks(README, "yaml")[0], encoding="utf-8")
    settings = EmulatorSettings(folder / "store")
    with running_emulator(settings) as emulator, real_files() as files:
        for name in EXAMPLE_FILES:
            emulator.ingest(DEMO_STORE, files / name)
        removed = {"GOOGLE_APPLICATION_CREDENTIALS", "RECONCILER_STATE"}
        inherited = {name: value for name, value in os.environ.items() if name not in removed}
        yield inherited | {"RECONCILER_ENDPOINT": emulator.url, "PYTHONUTF8": "1"}


@contextmanager
def real_files() -> Iterator[Path]:
    with resources.as_file(resources.files("pydicom.data") / "test_files") as folder:
        yield folder


def normalised(text: str) -> str:
    """Without what differs from run to run; the digest of a plan does not."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "PLAN-ID", text)
    text = re.sub(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}", "RUN", text)
    text = re.sub(r"journal head [0-9a-f]{64}", "journal head HASH", text)
    text = re.sub(r"\), [0-9,]+ per second", "), RATE", text)
    text = re.sub(r"^note: \S+/\.reconciler", "note: STATE", text, flags=re.MULTILINE)
    return re.sub(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{5,8} UTC", "TIME", text)


def test_the_worked_example_is_what_the_program_answers(tmp_path: Path) -> None:
    shown = sessions()
    with example_project(tmp_path) as environment:
        for command, code in {
            "reconciler plan --out plan.json": 0,
            "reconciler apply plan.json --report report.json": 0,
            "reconciler plan --detailed-exitcode": 0,
        }.items():
            done = subprocess.run(
                [sys.executable, "-m", *command.split()],
                cwd=tmp_path / "project",
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                check=False,
            )
            assert (done.returncode, normalised(done.stdout)) == (code, normalised(shown[command]))


def test_archive_and_restore_are_what_the_program_answers(tmp_path: Path) -> None:
    """The how-to goes on from the worked example; its last plan is stopped by a gate."""
    how_to = section(README, "## Archive and restore")
    planned = "reconciler plan specs/wrong-patient.yaml --out undoable.json"
    assert planned in how_to
    shown = {normalised(command): normalised(output) for command, output in sessions().items()}
    archive, project = tmp_path / "archive", tmp_path / "project"
    with example_project(tmp_path) as environment:

        def typed(command: str, code: int = ExitCode.SUCCESS) -> str:
            done = typed_at(project, environment, *command.split()[1:])
            assert done.code == code, done.out
            return done.out.replace(str(archive), "/srv/dicom-archive")

        typed("reconciler plan --out plan.json")
        typed("reconciler apply plan.json")
        (example,) = blocks(how_to, "yaml")
        specs = project / "specs" / "wrong-patient.yaml"
        specs.write_text(example.replace("/srv/dicom-archive", str(archive)), encoding="utf-8")
        assert "archived under" in typed(planned)
        applied = typed("reconciler apply undoable.json")
        assert normalised(applied) == shown["reconciler apply undoable.json"]
        (bag,) = archive.iterdir()
        bagit.Bag(str(bag)).validate()
        for command in (
            f"reconciler restore {bag.name} --dry-run",
            f"reconciler restore {bag.name}",
        ):
            assert normalised(typed(command)) == shown[normalised(command)]
        planned_again = normalised(typed(planned, ExitCode.REFUSED)).splitlines()
    (after,) = blocks(how_to, "text")
    assert [line for line in normalised(after).splitlines() if line not in planned_again] == []


def test_the_blocking_gates_are_what_the_program_answers(tmp_path: Path) -> None:
    with example_project(tmp_path) as environment:
        specs = tmp_path / "project" / "specs" / "quality.yaml"
        lines = specs.read_text(encoding="utf-8").splitlines(keepends=True)
        specs.write_text("".join(line for line in lines if not line.startswith("limits:")))
        done = typed_at(tmp_path / "project", environment, "plan")
    assert done.code == ExitCode.REFUSED
    blocking = next(block for block in blocks(README, "text") if "BLOCKING" in block)
    for line in blocking.splitlines():
        assert line in done.out.splitlines()


def test_every_yaml_example_is_valid(tmp_path: Path) -> None:
    (inventory,) = blocks(README, "csv")
    selectors = [one for one in blocks(README, "yaml") if "select:" in one]
    examples = [one for one in blocks(README, "yaml") if one not in selectors]
    assert len(examples) >= 2
    assert len(selectors) == 1
    for selector in selectors:
        problems = Problems()
        source = SourceText(io.BytesIO(selector.encode()))
        read = read_document(source, "a", scalar_types=scalar_types(SELECTOR), problems=problems)
        assert check_document(read, "a", problems, SELECTOR), problems.sorted()
    for number, example in enumerate(examples):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "expired-2016.csv").write_text(inventory, encoding="utf-8")
        file = folder / "example.yaml"
        file.write_text(example, encoding="utf-8")
        assert load_desired_state([file], root=folder).warnings == ()


def test_the_example_of_faults_is_understood() -> None:
    (example,) = blocks(README, "json")
    assert faults_from_json(json.loads(example)).rules


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_every_path_that_is_named_exists(page: Path) -> None:
    folders = "benchmarks|docs|reconciler|schemas|script|specs|tests"
    text = page.read_text(encoding="utf-8")
    for path in re.findall(rf"(?<![\w./-])((?:{folders})/[\w./-]*[\w/])", text):
        if not (path.startswith("specs/") and is_of_the_reader(page)):
            assert (ROOT / path).exists(), f"{page.name} names {path}"


def is_of_the_reader(page: Path) -> bool:
    """Whether the files under specs/ that a page names are those of the reader's own project."""
    names = {"README.md", "tutorial.md", "commands.md", "file-format.md"}
    return page.name in names or page.parent.name in {"how-to", "ci"}


def test_the_exit_codes_are_the_programs() -> None:
    rows = table(section(README, "## Exit codes"), "code", "meaning")
    assert [int(code) for code, _ in rows] == list(ExitCode)


def test_the_reasons_are_those_of_cid_7031() -> None:
    rows = table(section(README, "### Reasons"), "code", "meaning")
    assert [(codes(code)[0], meaning) for code, meaning in rows] == [
        (reason.value, reason.meaning) for reason in ReasonCode
    ]


def test_the_limits_and_their_defaults_are_the_programs() -> None:
    rows = table(README, "limit", "default")
    defaults = codec_of(Limits).write(Limits())
    assert {codes(name)[0]: int(value) for name, value, _ in rows} == defaults


def test_every_key_of_the_schema_is_explained() -> None:
    explained = {name for key, *_ in table(README, "key", "where") for name in codes(key)}
    assert explained == set(schema_keys(desired_state_schema()))


def schema_keys(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from schema_keys(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from schema_keys(part)


def test_the_columns_of_an_inventory_are_the_programs() -> None:
    (inventory,) = blocks(README, "csv")
    assert tuple(inventory.splitlines()[0].split(",")) == LEVELS


def test_every_outcome_is_explained() -> None:
    rows = table(README, "outcome", "meaning")
    outcomes = Operation.APPLY.outcomes
    assert [codes(name)[0] for name, *_ in rows] == [outcome.value for outcome in outcomes]
    gone = {codes(name)[0] for name, _, is_gone in rows if is_gone == "yes"}
    assert gone == {outcome.value for outcome in Outcome if outcome.is_gone}


def test_every_outcome_of_a_restore_is_explained() -> None:
    rows = table(README, "restore outcome", "what it says")
    outcomes = Operation.RESTORE.outcomes
    assert [codes(name)[0] for name, *_ in rows] == [outcome.value for outcome in outcomes]
    back = {codes(name)[0] for name, _, is_back in rows if is_back == "yes"}
    assert back == {outcome.value for outcome in Outcome if outcome.is_restored}


def test_the_reasons_that_are_planned_again_are_the_programs() -> None:
    rows = table(README, "the instance", "what the plan does")
    planned_again = next(head for head, does, _ in rows if does.startswith("plans it again"))
    named = {code.value for code in ReasonCode if code.value in planned_again}
    assert named == {code.value for code in PLANNED_AGAIN}


def test_the_selftests_promises_are_the_programs() -> None:
    (shown,) = blocks(section(README, "### selftest"), "text")
    promises = [line.removeprefix("held    ").rpartition(" (")[0] for line in shown.splitlines()]
    assert promises == [promise for promise, _ in PROMISES]


def test_every_benchmark_is_explained() -> None:
    named = {re.findall(r"\(([^)]+)\)", name)[0] for name, _ in table(README, "benchmark")}
    assert named == {f"benchmarks/{path.name}" for path in (ROOT / "benchmarks").glob("*.py")}


def test_the_variables_of_the_searching_tests_are_theirs() -> None:
    rows = table(section(README, "## Development"), "variable", "default")
    read = r'int\(os\.environ\.get\("(RECONCILER_\w+)", "(\d+)"\)\)'
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("*/*.py")]
    found = {pair for source in sources for pair in re.findall(read, source)}
    assert {(codes(name)[0], default) for name, default, _ in rows} == found


def test_no_recorded_output_names_a_temporary_folder() -> None:
    assert "/tmp/" not in README


def test_every_gate_is_named() -> None:
    assert {gate.value for gate in GateName} <= set(codes(section(DESIGN, "### Gates")))


def test_the_rooms_are_those_of_the_architecture_test() -> None:
    rooms = {
        codes(room)[0].removesuffix("/").removesuffix(".py"): set(codes(allowed))
        for room, _, allowed in table(DESIGN, "room", "what it does")
    }
    assert rooms.pop("cli") == set()
    assert rooms == architecture_rules()


def architecture_rules() -> dict[str, set[str]]:
    path = Path(__file__).parent / "test_architecture.py"
    spec = importlib.util.spec_from_file_location("architecture_rules", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rules: dict[str, set[str]] = module.MAY_IMPORT
    return rules


def test_the_decision_table_is_the_programs() -> None:
    columns = (Presence.PRESENT, Presence.ABSENT, Presence.UNKNOWN)
    rows = {intent: cells for intent, *cells in table(DESIGN, r"desired \ live")}
    assert rows.keys() == {intent.value for intent in EntryKind}
    for (intent, presence), (action, why) in DECISIONS.items():
        cell = rows[intent.value][columns.index(presence)]
        assert codes(cell)[0] == why.value
        assert ("**delete**" in cell) == (action is Action.DELETE)


def test_the_outcome_table_is_the_programs() -> None:
    columns = (Presence.ABSENT, Presence.PRESENT, Presence.UNKNOWN)
    rows = table(DESIGN, "the attempts together")
    assert {summary_of(head) for head, *_ in rows} == {summary for summary, _ in DELETIONS}
    for head, *cells in rows:
        assert [codes(cell)[0] for cell in cells] == [
            DELETIONS[summary_of(head), presence].value for presence in columns
        ]


def summary_of(head: str) -> AttemptSummary:
    (found,) = (one for one in AttemptSummary if head.startswith(one.value))
    return found


def test_the_outcome_table_of_a_restore_is_the_programs() -> None:
    rows = table(DESIGN, "the attempts to store together", *(one.value for one in Comparison))
    assert {summary_of(head) for head, *_ in rows} == {summary for summary, _ in RESTORES}
    for head, *cells in rows:
        assert [codes(cell)[0] for cell in cells] == [
            RESTORES[summary_of(head), comparison].value for comparison in Comparison
        ]


def test_every_kind_of_reply_is_explained() -> None:
    of_delete, of_store = (
        {codes(kind)[0] for _, kind, _ in table(DESIGN, head, "kind")}
        for head in ("reply", "answer to the request that stores")
    )
    kinds = {kind.value for kind in ReplyKind}
    assert of_delete == kinds - {ReplyKind.ALREADY_EXISTS.value}
    assert of_store == kinds - {ReplyKind.NOT_FOUND.value, ReplyKind.OPERATION.value}


def test_every_type_of_record_is_explained() -> None:
    schema = json.loads((ROOT / "schemas" / "journal-record.schema.json").read_text())
    rows = table(JOURNAL, "run", "begins with")
    named = {name for _, *cells in rows for cell in cells for name in codes(cell)}
    assert named == set(schema["properties"]["type"]["enum"]) - {"segment"}
    assert "segment" in codes(section(JOURNAL, "## Lines"))


def test_every_fault_of_the_embedded_store_is_explained() -> None:
    assert [codes(name)[0] for name, *_ in table(WIRE, "`fault`")] == [
        kind.value for kind in FaultKind
    ]
