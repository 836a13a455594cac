"""``--events FILE``: what happens, a line each, there while it happens."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.errors import ExitCode
from reconciler.model.gate import GateName
from reconciler.model.outcome import Outcome

from .conftest import REASON, Project, address, removal

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "schemas" / "event.schema.json").read_text("utf-8")
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
Event = dict[str, Any]


def read(path: str = "events.jsonl") -> list[Event]:
    """Every line, held to the schema and to its place."""
    events = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]
    for number, event in enumerate(events):
        VALIDATOR.validate(event)
        assert event["seq"] == number
    assert events[0]["type"] == "version"
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    return events


def of_type(events: list[Event], name: str) -> list[Event]:
    return [event for event in events if event["type"] == name]


@pytest.fixture
def small(project: Project) -> Project:
    """Three of ten instances are to be removed, and one that nobody has ever seen."""
    instances = project.fill(1, 1, range(1, 11))[:3]
    limits = "limits: {maxNeverSeen: 1}\n"
    project.write("a.yaml", REASON + limits + removal([*instances, address(1, 1, 77)]))
    return project


def test_the_schema_knows_every_outcome_and_gate() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    kinds = SCHEMA["$defs"]
    assert kinds["result"]["properties"]["outcome"]["enum"] == [one.value for one in Outcome]
    assert kinds["gate"]["properties"]["name"]["enum"] == [one.value for one in GateName]
    assert [one["$ref"].rpartition("/")[2] for one in SCHEMA["oneOf"]] == SCHEMA["properties"][
        "type"
    ]["enum"]


def test_a_plan_tells_all_that_its_plan_file_says(small: Project) -> None:
    planned = small.run("plan", "--out", "plan.json", "--events", "events.jsonl")
    assert planned.code == 0, planned.err
    events = read()
    plan = json.loads(Path("plan.json").read_text())
    deleted = {one["instancesId"] for one in of_type(events, "planned_change")[:3]}
    assert deleted == {address(1, 1, number).instance_uid for number in (1, 2, 3)}
    changes = Counter((one["action"], one["why"]) for one in of_type(events, "planned_change"))
    assert changes == {("delete", "listed"): 3, ("no-op", "never_seen"): 1}
    assert of_type(events, "planned_change")[0]["source"] == {
        "path": "specs/a.yaml",
        "line": 13,
        "column": 1,
    }
    gates = [{key: one[key] for key in plan["gates"][0]} for one in of_type(events, "gate")]
    assert gates == plan["gates"]
    probes = of_type(events, "probe")
    assert probes
    assert probes[-1]["done"] == probes[-1]["total"]
    assert events[-1]["type"] == "summary"
    assert events[-1]["counts"] == {
        name: count for name, count in plan["summary"].items() if isinstance(count, int)
    }
    assert (events[-1]["digest"], events[-1]["exit_code"]) == (plan["digest"], 0)


def test_an_apply_tells_every_outcome(small: Project) -> None:
    small.run("plan", "--out", "plan.json")
    applied = small.run("apply", "plan.json", "--events", "events.jsonl", "--report", "r.json")
    assert applied.code == 0, applied.err
    events = read()
    report = json.loads(Path("r.json").read_text())
    (start,) = of_type(events, "start")
    assert (start["run"], start["planned"]) == (report["run"], 3)
    results = of_type(events, "result")
    assert Counter(one["outcome"] for one in results) == {"deleted": 3}
    assert [event["type"] for event in events][:2] == ["version", "start"]
    assert events[-1]["operation"] == "apply"
    assert events[-1]["counts"] == report["counts"]
    assert events[-1]["exit_code"] == report["exit_code"] == 0


def test_an_apply_of_files_tells_the_plan_first(small: Project) -> None:
    small.run("apply", "specs", "--auto-approve", "--events", "events.jsonl")
    events = read()
    first = {
        name: [one["type"] for one in events].index(name) for name in {e["type"] for e in events}
    }
    order = ["version", "probe", "planned_change", "gate", "summary", "start", "result"]
    assert [first[name] for name in order] == sorted(first[name] for name in order)
    assert [(one["operation"], one["exit_code"]) for one in of_type(events, "summary")] == [
        ("plan", None),
        ("apply", 0),
    ]


def test_what_ends_a_run_is_the_last_event(small: Project) -> None:
    rule = FaultRule(FaultKind.STATUS, status=403)
    small.emulator.set_faults(Faults(rules=(rule,)))
    assert small.run("plan", "--events", "events.jsonl").code == ExitCode.ERROR
    last = read()[-1]
    assert (last["type"], last["severity"]) == ("diagnostic", "error")
    assert last["source"] is None


def test_problems_of_files_are_diagnostics(small: Project) -> None:
    small.write("b.yaml", REASON + "remove:\n  - studiesId: 1..2\n")
    small.run("plan", "--events", "events.jsonl")
    told = [(one["rule"], one["severity"], one["source"]["line"]) for one in read()[1:]]
    assert told == [("invalid-uid", "error", 9)]


def test_warnings_are_diagnostics_of_a_plan_that_is_made(small: Project) -> None:
    small.write("b.yaml", REASON + "remove:\n  - studiesId: 1.02\n")
    small.run("plan", "--events", "events.jsonl")
    events = read()
    assert [one["rule"] for one in of_type(events, "diagnostic")] == ["leading-zero"]
    assert events[-1]["type"] == "summary"


def test_a_refused_apply_has_begun_nothing(small: Project) -> None:
    small.run("plan", "--out", "plan.json")
    small.write("b.yaml", "keep: []\n")
    applied = small.run("apply", "plan.json", "--events", "events.jsonl")
    assert applied.code == ExitCode.REFUSED
    assert [one["type"] for one in read()] == ["version", "diagnostic"]


def test_events_are_there_while_the_run_goes_on(small: Project) -> None:
    """Read through a pipe: what was deleted is told before the next answer comes."""
    small.run("plan", "--out", "plan.json")
    os.mkfifo("events.pipe")
    told: list[int] = []

    def listen() -> None:
        with Path("events.pipe").open(encoding="utf-8") as pipe:
            for line in pipe:
                if json.loads(line)["type"] == "result":
                    told.append(len(small.deletes()))

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    rule = FaultRule(FaultKind.LATENCY, seconds=0.3, method="DELETE")
    small.emulator.set_faults(Faults(rules=(rule,)))
    small.run("apply", "plan.json", "--parallelism", "1", "--events", "events.pipe")
    listener.join(30)
    assert told[0] < 3 == told[-1]


def test_a_reader_that_goes_away_stops_no_apply(small: Project) -> None:
    small.run("plan", "--out", "plan.json")
    os.mkfifo("events.pipe")
    reader = threading.Thread(target=lambda: Path("events.pipe").open().close(), daemon=True)
    reader.start()
    applied = small.run("apply", "plan.json", "--events", "events.pipe")
    reader.join(30)
    assert applied.code == 0
    assert len(small.deletes()) == 3
    assert applied.err.count("note: the events cannot be written any more: Broken pipe") == 1


def test_a_file_that_cannot_be_written_is_found_out_first(small: Project) -> None:
    applied = small.run("apply", "specs", "--auto-approve", "--events", "no/such/events.jsonl")
    assert applied.code == ExitCode.ERROR
    assert "cannot write no/such/events.jsonl" in applied.err
    assert small.emulator.requests() == []
