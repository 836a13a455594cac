"""What a run leaves for an auditor: the record of a plan, who acted, and the provider's labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.cli.output.console import last_words
from reconciler.cli.runs.query_record import recorded_query
from reconciler.journal.places.disk import DiskState

from ..journal.by_hand import heads_of, log_of, measure, records_of
from .conftest import LIMITS_OPEN, REASON, Project, removal

SCHEMA = Path(__file__).parents[2] / "schemas" / "journal-record.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
AUDIT = "x-goog-healthcare-audit-"


def records(project: Project, folder: str) -> list[list[dict[str, Any]]]:
    """The records of each run of a folder, held to the schema."""
    runs = []
    for path in sorted((project.folder / ".reconciler" / folder).glob("*.jsonl")):
        for line in path.read_text().splitlines():
            VALIDATOR.validate(json.loads(line))
        runs.append(records_of(path))
    return runs


def heads(project: Project, folder: str) -> list[str]:
    """Those of the log; every run of the folder must be in it as it is."""
    place = project.folder / ".reconciler" / folder
    runs = {path.stem: measure(path) for path in place.glob("*.jsonl")}
    assert {one["run"]: (one["size"], one["root"]) for one in log_of(place)} == runs
    return heads_of(place)


@pytest.fixture
def filled(project: Project) -> Project:
    instances = project.fill(1, 1, range(1, 5))
    project.write(
        "a.yaml",
        REASON
        + LIMITS_OPEN
        + removal(instances[:2])
        + removal(instances[3:], key="keep")
        + "    hold: Litigation 2026-17\n",
    )
    return project


def test_a_plan_leaves_a_record_of_its_digest_its_gates_and_what_is_kept(filled: Project) -> None:
    answer = filled.run("plan", "--out", "plan.json")

    assert answer.code == 0, answer.err
    ((first, kept, ended),) = records(filled, "observations")
    plan = json.loads((filled.folder / "plan.json").read_text())
    assert (first["digest"], first["plan_id"]) == (plan["digest"], plan["plan_id"])
    assert [file["path"] for file in first["provenance"]["inputs"]] == ["specs/a.yaml"]
    assert (kept["hold"], kept["instances"]) == ({"text": "Litigation 2026-17"}, 1)
    assert ended["counts"]["listed"] == 2
    assert {gate["name"] for gate in ended["gates"]} >= {"incomplete", "maxDeletions"}
    assert f"journal head {heads(filled, 'observations')[0]}" in answer.err


def test_every_run_names_the_heads_before_it(filled: Project) -> None:
    filled.run("plan", "--out", "plan.json")
    filled.run("apply", "plan.json")
    filled.run("plan")

    (apply,) = records(filled, "runs")
    observations = records(filled, "observations")
    (run_head,) = heads(filled, "runs")
    named = {
        run[0].get("previous_observation"): run[0].get("previous_head") for run in observations
    }
    first = apply[0]["previous_observation"]
    assert first == heads(filled, "observations")[0]
    assert named == {None: None, first: run_head}


def test_plans_are_no_earlier_runs(filled: Project) -> None:
    filled.run("plan")
    filled.run("plan", "--out", "plan.json")

    answer = filled.run("apply", "plan.json")

    assert answer.code == 0
    assert "holds no earlier run" in answer.err
    assert "Resumed" not in answer.out


def test_a_state_folder_that_cannot_be_written_does_not_stop_a_plan(filled: Project) -> None:
    (filled.folder / ".reconciler").mkdir()
    (filled.folder / ".reconciler" / "observations").write_text("not a folder")

    answer = filled.run("plan")

    assert answer.code == 0
    assert "note: this plan is not on record" in answer.err


def test_the_reason_stands_once_on_the_first_intent(filled: Project) -> None:
    filled.run("plan", "--out", "plan.json")
    filled.run("apply", "plan.json")

    (apply,) = records(filled, "runs")
    intents = [record for record in apply if record["type"] == "intent"]
    assert len(intents) == 2
    for intent in intents:
        assert intent["reason"] == {"code": "113039", "ticket": "RET-1042"}
        assert intent["source"]["path"] == "specs/a.yaml"


def test_the_ci_says_who_requested_it(filled: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTOR": "octocat",
        "GITHUB_REF": "refs/pull/12/merge",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_RUN_ID": "7",
    }.items():
        monkeypatch.setenv(name, value)

    filled.run("plan")

    ((first, *_),) = records(filled, "observations")
    assert first["provenance"]["requester"] == {
        "ci": "github",
        "user": "octocat",
        "change": "12",
        "pipeline": "https://github.com/o/r/actions/runs/7",
    }


def test_every_instance_request_of_an_apply_carries_run_plan_and_ticket(filled: Project) -> None:
    filled.run("plan", "--out", "plan.json")
    planned = filled.emulator.requests()[-1].sequence
    filled.run("apply", "plan.json")

    (apply,) = records(filled, "runs")
    sent = [one for one in filled.emulator.requests() if one.sequence > planned]
    about_instances = [one for one in sent if "/instances/" in one.path]
    assert {one.method for one in about_instances} == {"DELETE", "GET"}
    for one in about_instances:
        labels = {name: value for name, value in one.headers.items() if name.startswith(AUDIT)}
        ticket = {} if "/2.25." in one.path else {f"{AUDIT}ticket": "RET-1042"}
        assert labels == {
            f"{AUDIT}run": apply[0]["run"],
            f"{AUDIT}plan": apply[0]["digest"],
            **ticket,  # none asked for the instance that nobody has
        }
        assert one.headers["x-request-id"]
    results = {record["request_id"] for record in apply if record["type"] == "result"}
    deletes = {one.headers["x-request-id"] for one in about_instances if one.method == "DELETE"}
    assert results == deletes


def test_a_query_that_reads_image_bytes_leaves_a_record(filled: Project) -> None:
    place = " AND ".join(
        f"{name}='{value}'" for name, value in filled.store.as_parameters().items()
    )
    instance = min(filled.content())
    place += f" AND studiesId='{instance.study_uid}' AND seriesId='{instance.series_uid}'"
    place += f" AND instancesId='{instance.instance_uid}'"

    metadata = f"SELECT presence FROM google.healthcare.instances WHERE {place}"
    assert filled.run("query", metadata).code == 0
    assert records(filled, "observations") == []
    data = f"SELECT data FROM google.healthcare.instances WHERE {place}"
    answer = filled.run("query", data, "--output", "out")

    assert answer.code == 0, answer.err
    ((first, read, ended),) = records(filled, "observations")
    assert first["type"] == "query_started"
    assert {name: read[name] for name in instance.as_parameters()} == instance.as_parameters()
    assert (read["type"], "problem" in read) == ("retrieved", False)
    assert (ended["retrieved"], ended["problems"]) == (1, 0)


def idle(project: Project) -> list[dict[str, Any]]:
    """The records of what ended before it did anything; each is a run of its own."""
    runs = records(project, "observations")
    return [run[0] for run in runs if run[0]["type"] == "nothing_done" and len(run) == 1]


def test_a_restore_with_nothing_to_do_is_on_record(project: Project) -> None:
    instances = project.fill(1, 1, [1])
    archive = project.folder.parent / "archive"
    archive.mkdir()
    kept_first = f"archive: {{path: {archive}}}\n"
    project.write("a.yaml", REASON + kept_first + LIMITS_OPEN + removal(instances))
    assert project.run("apply", "--auto-approve").code == 0
    ((applied, *_),) = records(project, "runs")
    assert project.run("restore", applied["run"]).code == 0
    answer = project.run("restore", applied["run"])

    assert answer.code == 0, answer.err
    (record,) = idle(project)
    assert (record["command"], record["exit_code"]) == ("restore", 0)
    assert record["detail"].endswith("is left to restore")


def test_a_refused_apply_is_on_record_with_the_reason(filled: Project) -> None:
    filled.run("plan", "--out", "plan.json")
    answer = filled.run("apply", "plan.json", "--expect-digest", "sha256:0")

    assert answer.code == 3
    assert records(filled, "runs") == []
    (record,) = idle(filled)
    plan = json.loads((filled.folder / "plan.json").read_text())
    assert (record["command"], record["exit_code"]) == ("apply", 3)
    assert (record["plan_id"], record["digest"]) == (plan["plan_id"], plan["digest"])
    assert record["detail"].endswith("expected was sha256:0")
    assert [file["path"] for file in record["provenance"]["inputs"]] == ["specs/a.yaml"]
    assert any(f"journal head {head}" in answer.err for head in heads(filled, "observations"))


def test_an_edited_plan_is_on_record_though_nothing_of_it_is_believed(filled: Project) -> None:
    filled.run("plan", "--out", "plan.json")
    plan = filled.folder / "plan.json"
    plan.write_text(plan.read_text().replace("RET-1042", "RET-1043"))

    assert filled.run("apply", "plan.json").code == 3
    (record,) = idle(filled)
    assert (record["plan_id"], record["digest"], record["stores"]) == (None, None, [])
    assert "its seal does not match" in record["detail"]


@pytest.mark.parametrize(
    ("arguments", "limits", "detail"),
    [
        (["plan.json"], "limits: {maxDeletions: 1}\n", "blocking gate: maxDeletions"),
        (["specs", "--auto-approve"], "limits: {maxDeletions: 1}\n", "blocking gate: maxDeletions"),
    ],
)
def test_a_closed_gate_at_apply_is_on_record(
    project: Project, arguments: list[str], limits: str, detail: str
) -> None:
    project.write("a.yaml", REASON + limits + removal(project.fill(1, 1, range(4))[:2]))
    project.run("plan", "--out", "plan.json")
    assert project.run("apply", *arguments).code == 3
    (record,) = idle(project)
    assert detail in record["detail"]


def test_an_apply_that_cannot_begin_or_has_nothing_to_do_is_on_record(filled: Project) -> None:
    filled.run("plan", "--out", "plan.json")
    filled.run("apply", "plan.json")
    assert filled.run("apply", "plan.json").code == 0
    assert [one["detail"] for one in idle(filled)] == ["the plan was applied before"]

    filled.run("plan", "--out", "empty.json")
    assert filled.run("apply", "empty.json", "--report", "report.json").code == 0
    run = json.loads(Path("report.json").read_text())["run"]
    assert [one["run"] for one in idle(filled) if one["detail"] == "the plan deletes nothing"] == [
        run
    ]
    filled.run("apply", "empty.json", "--endpoint", "http://127.0.0.1:9")
    told = [(one["exit_code"], one["detail"].partition(" at ")[0]) for one in idle(filled)]
    assert sorted(told) == [
        (0, "the plan deletes nothing"),
        (0, "the plan was applied before"),
        (3, "the plan was made for the service"),
    ]
    assert filled.run("audit", "verify").code == 0


def test_a_workflow_says_what_the_ci_does_not(
    filled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_ACTOR": "octocat",
        "GITHUB_TRIGGERING_ACTOR": "who-ran-it-again",
        "RECONCILER_CHANGE": "12",
        "RECONCILER_APPROVERS": "bob, erin bob",
    }.items():
        monkeypatch.setenv(name, value)
    filled.run("plan")

    ((first, *_),) = records(filled, "observations")
    assert first["provenance"]["requester"]["user"] == "who-ran-it-again"
    assert first["provenance"]["requester"]["change"] == "12"
    assert first["provenance"]["requester"]["approvers"] == ["bob", "erin"]


def test_an_apply_that_nobody_can_be_asked_about_is_on_record(filled: Project) -> None:
    assert filled.run("apply", "specs").code == 3
    (record,) = idle(filled)
    assert "cannot ask for a yes" in record["detail"]


def test_a_query_that_was_stopped_is_in_the_log_too(
    filled: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it has read it has read: nobody must be able to take that away unseen."""
    state = filled.folder / ".reconciler"
    instance = min(filled.content())

    def stopped() -> None:
        with recorded_query([filled.store], DiskState(state), reads=True) as record:
            record.begin("https://example.org", None)
            record.read(filled.store, instance, "")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), last_words():
        stopped()

    ((first, read),) = records(filled, "observations")
    assert (first["type"], read["type"]) == ("query_started", "retrieved")
    (head,) = heads(filled, "observations")
    assert f"journal head {head}" in capsys.readouterr().err
    assert filled.run("audit", "verify", "--head", head).code == 0
    next((state / "observations").glob("*.jsonl")).unlink()
    assert filled.run("audit", "verify", "--head", head).code == 3
