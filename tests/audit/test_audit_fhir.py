"""`audit export --format fhir`: AuditEvents that another library reads, after IHE's pattern."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.main import run as type_command
from reconciler.journal.records import Settled
from reconciler.model.desired import Reason, ReasonCode
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome
from reconciler.reporting.export.fhir_audit import PATIENT_DELETE_PROFILE, deletions_as_fhir

from .deletions import deletion
from .records import NOON, STORE, attempt, instance, started, write

DCM = "http://dicom.nema.org/resources/ontology/DCM"


def checked(line: str) -> dict[str, Any]:
    """The event, after another library has taken it and BALP's constraints hold.

    They are those of ``input/fsh/PatientDelete.fsh`` in the repository IHE/ITI.BasicAudit.
    """
    event: dict[str, Any] = json.loads(line)
    AuditEvent.model_validate(event)
    assert (event["type"]["code"], event["action"]) == ("rest", "D")
    assert [one["code"] for one in event["subtype"]].count("delete") == 1
    agents = [agent["type"]["coding"][0]["code"] for agent in event["agent"]]
    assert agents.count("110150") == agents.count("custodian") == 1
    for agent in event["agent"]:
        assert agent["who"]
        assert ("network" in agent) == (agent["type"]["coding"][0]["code"] != "AUT")
    assert any(agent["requestor"] for agent in event["agent"])
    (data,) = [one for one in event["entity"] if one["type"]["code"] == "2"]
    assert data["role"]["code"] == "4"
    patients = [one for one in event["entity"] if one["type"]["code"] == "1"]
    for patient in patients:
        assert patient["role"]["code"] == "1"
        assert patient["what"]["type"] == "Patient"
    claimed = event.get("meta", {}).get("profile", [])
    erased = event["outcomeDesc"].startswith(("deleted", "absent_after_ambiguous_attempt"))
    assert claimed == ([PATIENT_DELETE_PROFILE] if patients and erased else [])
    return event


def export(state: Path, *arguments: str | Path) -> list[dict[str, Any]]:
    out = state / "out.ndjson"
    given = ["audit", "export", "--format", "fhir", "--out", out, "--state", state, *arguments]
    assert type_command([str(one) for one in given]) == 0
    return [checked(line) for line in out.read_text("ascii").splitlines()]


def entity(event: dict[str, Any], code: str) -> dict[str, Any]:
    (found,) = [one for one in event["entity"] if one["type"]["code"] == code]
    return dict(found["what"]["identifier"])


def test_an_event_says_what_was_deleted_by_whom_and_why(tmp_path: Path) -> None:
    write(tmp_path, started("a"), *attempt(instance(1)), *attempt(instance(2), Outcome.FAILED))

    gone, failed = export(tmp_path)

    assert (gone["outcome"], failed["outcome"]) == ("0", "8")
    assert gone["recorded"] == "2026-03-01T12:00:00.000Z"
    assert entity(gone, "2")["value"] == "urn:oid:1.2.1.3.1"
    assert entity(gone, "XrequestId")["value"] == "r-1.2.1.3.1"
    assert [agent["who"]["identifier"]["value"] for agent in gone["agent"]] == [
        "robot@example.com",
        str(STORE),
        "alice",
    ]
    assert gone["purposeOfEvent"][0]["coding"][0]["code"] == "113039"
    assert gone["subtype"][1] == {
        "system": DCM,
        "code": "110103",
        "display": "DICOM Instances Accessed",
    }


def test_a_list_of_patients_fills_the_patient(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, started("a"), *attempt(instance(1)), *attempt(instance(2, study=2)))
    listed = tmp_path / "patients.csv"
    listed.write_text("studiesId,PatientID\r\n1.2.1,PAT7\r\n")

    known, unknown = export(tmp_path, "--patients", listed)

    assert entity(known, "1")["value"] == "PAT7"
    assert [one["type"]["code"] for one in unknown["entity"]] == ["XrequestId", "2"]
    assert "the patient of 1 study is written as unknown" in capsys.readouterr().err


def test_a_deletion_keeps_its_id_when_a_later_run_settles_it(tmp_path: Path) -> None:
    write(tmp_path, started("a"), *attempt(instance(1))[:1])
    (unproven,) = export(tmp_path)
    closed = Settled(NOON, "a", STORE, instance(1), Presence.ABSENT, Outcome.DELETED)
    write(tmp_path, started("b", resumes=["a"]), closed)

    (settled,) = export(tmp_path)

    assert (unproven["outcome"], settled["outcome"]) == ("8", "0")
    assert unproven["id"] == settled["id"]


@given(st.text(), st.sampled_from(Outcome), st.text(min_size=1))
def test_whatever_a_file_or_a_ci_says_the_event_is_one_valid_line(
    text: str, outcome: Outcome, patient: str
) -> None:
    reason = Reason(ReasonCode.QUALITY_CONTROL_INTENT, text or None, text or None)
    one = deletion("1.4", text=text, outcome=outcome, reason=reason)
    (line,) = deletions_as_fhir([one], lambda _: patient)
    assert line.count("\n") == 1
    assert line[:-1].isprintable()
    checked(line)
