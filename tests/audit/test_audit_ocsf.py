"""`audit export --format ocsf`: events that hold what OCSF's own definitions require."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.main import run as type_command
from reconciler.model.desired import Reason, ReasonCode
from reconciler.model.outcome import Outcome
from reconciler.reporting.export.ocsf import deletions_as_ocsf
from reconciler.reporting.export.shown import shown

from .deletions import deletion
from .records import STORE, attempt, instance, started, write

DEFINITIONS = json.loads(
    (Path(__file__).parent / "ocsf-api-activity.json").read_text(encoding="utf-8")
)
"""Transcribed from the repository ocsf/ocsf-schema; its ``source`` says of when."""

SCALARS = {"integer_t": int, "long_t": int, "timestamp_t": int, "port_t": int}


def check(value: dict[str, Any], definition: dict[str, Any], place: str) -> None:
    """Hold a value to a definition: attributes, types, what is required, closed sets."""
    attributes = definition["attributes"]
    assert set(value) <= set(attributes), place
    required = {name for name, one in attributes.items() if one.get("required")}
    assert required <= set(value), place
    if "at_least_one" in definition:
        assert set(value) & set(definition["at_least_one"]), place
    for name, found in value.items():
        rule = attributes[name]
        for one in found if rule.get("array") else [found]:
            check_type(one, rule["type"], f"{place}.{name}")
            assert one in rule.get("enum", [one]), f"{place}.{name}"


def check_type(value: Any, kind: str, place: str) -> None:
    if kind in DEFINITIONS["objects"]:
        check(value, DEFINITIONS["objects"][kind], place)
    elif kind == "object":
        assert isinstance(value, dict), place
    else:
        assert type(value) is SCALARS.get(kind, str), place


def checked(line: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(line)
    check(event, DEFINITIONS["class"], "event")
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"] == 600304
    return event


def export(state: Path) -> list[dict[str, Any]]:
    out = state / "out.ndjson"
    given = ["audit", "export", "--format", "ocsf", "--out", str(out), "--state", str(state)]
    assert type_command(given) == 0
    return [checked(line) for line in out.read_text("ascii").splitlines()]


def test_an_event_says_what_was_deleted_by_whom_and_why(tmp_path: Path) -> None:
    unproven = attempt(instance(3))[:1]
    failed = attempt(instance(2), Outcome.FAILED, status=403)
    write(tmp_path, started("a"), *attempt(instance(1)), *failed, *unproven)

    gone, refused, unknown = export(tmp_path)

    assert (gone["status_id"], gone["status_code"]) == (1, "deleted")
    assert gone["time"] == 1772366400000
    assert gone["actor"] == {"app_name": "reconciler", "user": {"name": "robot@example.com"}}
    assert gone["api"]["request"] == {"uid": "r-1.2.1.3.1"}
    assert gone["api"]["response"] == {"code": 200}
    assert gone["dst_endpoint"] == {
        "svc_name": "https://store.example",
        "hostname": "store.example",
    }
    assert gone["resources"][0]["name"] == (
        f"{STORE}/dicomWeb/studies/1.2.1/series/1.2.1.3/instances/1.2.1.3.1"
    )
    assert gone["metadata"]["correlation_uid"] == "a"
    assert gone["unmapped"]["ticket"] == "RET-1"
    assert gone["unmapped"]["requester"] == "alice"
    assert (refused["status_id"], refused["api"]["response"]["code"]) == (2, 403)
    assert (unknown["status_id"], unknown["severity_id"]) == (0, 3)
    assert "response" not in unknown["api"]


def test_patients_are_of_no_use_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, started("a"), *attempt(instance(1)))
    given = ["audit", "export", "--format", "ocsf", "--state", str(tmp_path)]
    assert type_command([*given, "--patients", "list.csv"]) == 1
    assert "--patients is of no use to ocsf" in capsys.readouterr().err


@given(st.text(), st.sampled_from(Outcome))
def test_whatever_a_file_or_a_ci_says_the_event_is_one_valid_line(
    text: str, outcome: Outcome
) -> None:
    reason = Reason(ReasonCode.QUALITY_CONTROL_INTENT, text or None, text or None)
    (line,) = deletions_as_ocsf([deletion("1.4", text=text, outcome=outcome, reason=reason)])
    assert line.count("\n") == 1
    checked(line)


def test_what_is_no_event_is_found_out() -> None:
    event = json.loads(next(deletions_as_ocsf([deletion("1.4")])))
    for change in ({"severity_id": 7}, {"api": {}}, {"actor": {}}, {"other": 1}, {"time": "now"}):
        with pytest.raises(AssertionError):
            check({**event, **change}, DEFINITIONS["class"], "event")


@pytest.mark.parametrize("endpoint", ["https://[", "https://x:99999", "https://x:port", "\x1b"])
def test_an_endpoint_that_is_none_is_still_named(endpoint: str) -> None:
    one = deletion("1.4")
    (line,) = deletions_as_ocsf([replace(one, run=replace(one.run, endpoint=endpoint))])
    assert json.loads(line)["dst_endpoint"]["svc_name"] == shown(endpoint)
