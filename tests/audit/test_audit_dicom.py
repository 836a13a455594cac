"""`audit export --format dicom`: messages of PS3.15 A.5 that the standard's own schema accepts."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest
import rnc2rng
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from reconciler.cli.main import run as type_command
from reconciler.journal.records import Settled
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome
from reconciler.model.provenance import Provenance, Requester
from reconciler.reporting.export.dicom_audit import MAX_OCTETS, audit_messages

from .deletions import deletion
from .records import NOON, STORE, attempt, emptied, instance, started, write

SCHEMA = etree.RelaxNG(
    etree.fromstring(
        rnc2rng.dumps(rnc2rng.load(str(Path(__file__).parent / "audit-message.rnc"))).encode()
    )
)


def checked(xml: str) -> etree._Element:
    message = etree.fromstring(xml.encode("ascii"))
    SCHEMA.assertValid(message)
    return message


def export(state: Path, *arguments: str | Path, code: int = 0) -> list[etree._Element]:
    out = state / "out.xml"
    given = ["audit", "export", "--format", "dicom", "--out", out, "--state", state, *arguments]
    assert type_command([str(one) for one in given]) == code
    return [checked(line) for line in out.read_text("ascii").splitlines()]


def event(message: etree._Element) -> tuple[str, str, str]:
    """Event code, action and outcome indicator."""
    found = message.find("EventIdentification")
    code = found.find("EventID").get("csd-code")
    return code, found.get("EventActionCode"), found.get("EventOutcomeIndicator")


def instances(message: etree._Element) -> list[str]:
    uids = [one.get("UID") for one in message.iter("Instance")]
    assert message.find(".//SOPClass").get("NumberOfInstances") == str(len(uids))
    return uids


def study_and_patient(message: etree._Element) -> tuple[str, str]:
    study, patient = message.findall("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectTypeCodeRole") == "3"
    assert patient.get("ParticipantObjectTypeCodeRole") == "1"
    return study.get("ParticipantObjectID"), patient.get("ParticipantObjectID")


def test_successes_and_failures_stand_in_messages_of_their_own(tmp_path: Path) -> None:
    write(
        tmp_path,
        started("a"),
        *attempt(instance(1)),
        *attempt(instance(2), Outcome.FAILED),
        *attempt(instance(3)),
        *attempt(instance(4, study=2)),
    )

    failed, gone, other = export(tmp_path)
    told = gone.find("EventIdentification/EventOutcomeDescription")
    assert told is not None
    assert told.text == "2 deleted"

    assert event(gone) == event(other) == ("110103", "D", "0")
    assert event(failed) == ("110103", "D", "8")
    assert instances(gone) == ["1.2.1.3.1", "1.2.1.3.3"]
    assert instances(failed) == ["1.2.1.3.2"]
    assert study_and_patient(other) == ("1.2.2", "unknown")
    erased = "ParticipantObjectIdentification/@ParticipantObjectDataLifeCycle"
    assert gone.xpath(erased) == ["15"]
    assert failed.xpath(erased) == ["6"]


@pytest.mark.parametrize(
    ("last", "code"), [(Outcome.DELETED, "110105"), (Outcome.UNCONFIRMED, "110103")]
)
def test_a_study_is_deleted_when_all_of_it_is_proven(
    tmp_path: Path, last: Outcome, code: str
) -> None:
    write(tmp_path, started("a"), emptied(2), *attempt(instance(1)), *attempt(instance(2), last))

    assert event(export(tmp_path)[0]) == (code, "D", "0")


def test_a_study_is_said_to_be_deleted_once_however_many_messages_it_takes(
    tmp_path: Path,
) -> None:
    count = 1_500
    deletions = [one for number in range(count) for one in attempt(instance(number))]
    ambiguous = attempt(instance(count), Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT)
    write(tmp_path, started("a"), emptied(count + 1), *ambiguous, *deletions)

    messages = export(tmp_path)

    codes = [event(one)[0] for one in messages]
    assert len(codes) > 1
    assert codes == ["110103"] * (len(codes) - 1) + ["110105"]
    assert sum(len(instances(one)) for one in messages) == count + 1


def test_what_another_run_settles_is_the_act_of_the_one_that_sent_it(tmp_path: Path) -> None:
    write(tmp_path, started("a"), *attempt(instance(1))[:2])
    closed = Settled(NOON, "a", STORE, instance(1), Presence.ABSENT, Outcome.DELETED)
    bob = Provenance("other@example.com", Requester("github", "bob"))
    settler = replace(started("b"), plan_id="plan-2", digest="sha256:b", provenance=bob)
    write(tmp_path, settler, closed)

    (message,) = export(tmp_path)

    people = [one.get("UserID") for one in message.findall("ActiveParticipant")]
    assert people == ["robot@example.com", "alice"]
    details = {
        one.get("type"): b64decode(one.get("value")).decode()
        for one in message.iter("ParticipantObjectDetail")
    }
    assert (details["run"], details["planDigest"]) == ("a", "sha256:0")


def test_one_study_uid_in_two_stores_is_of_two_patients(tmp_path: Path) -> None:
    other = replace(STORE, dicom_store_id="other")
    copies = {one: f"PAT-{number}" for number, one in enumerate((STORE, other))}
    found = [replace(deletion("1.4"), store=one) for one in copies]

    messages = audit_messages(found, lambda one: copies[one.store])

    patients = [study_and_patient(checked(one.xml))[1] for one in messages]
    assert patients == ["PAT-0", "PAT-1"]


def test_a_patient_who_becomes_known_later_has_a_message_of_their_own() -> None:
    ids = iter([None, "PAT", "PAT"])
    found = [deletion(f"1.4.{number}") for number in range(3)]

    messages = list(audit_messages(found, lambda _: next(ids)))

    told = {study_and_patient(checked(one.xml))[1]: instances(checked(one.xml)) for one in messages}
    assert told == {"unknown": ["1.4.0"], "PAT": ["1.4.1", "1.4.2"]}


def test_who_and_why_are_told(tmp_path: Path) -> None:
    write(tmp_path, started("a"), *attempt(instance(1)))

    (message,) = export(tmp_path)

    process, person = message.findall("ActiveParticipant")
    assert (process.get("UserID"), process.get("UserIsRequestor")) == ("robot@example.com", "false")
    assert (person.get("UserID"), person.get("UserIsRequestor")) == ("alice", "true")
    assert message.find(".//EventTypeCode").get("csd-code") == "113039"
    details = {
        one.get("type"): b64decode(one.get("value")).decode()
        for one in message.iter("ParticipantObjectDetail")
    }
    assert details["ticket"] == "RET-1"
    assert details["store"] == str(STORE)


def test_a_list_of_patients_fills_the_patient_and_nothing_else_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, started("a"), *attempt(instance(1)), *attempt(instance(2, study=2)))
    listed = tmp_path / "patients.csv"
    listed.write_text("studiesId,PatientID\r\n1.2.1,PAT<7>\r\n")

    messages = export(tmp_path, "--patients", listed)

    assert [study_and_patient(one)[1] for one in messages] == ["PAT<7>", "unknown"]
    error = capsys.readouterr().err
    assert "the patient of 1 study is written as unknown" in error
    assert "PAT" not in error


@pytest.mark.parametrize(
    "text", ["study,patient\n", "studiesId,PatientID\n1.2,\n", '"', "studiesId,PatientID\n1,P\n1,Q"]
)
def test_what_is_no_list_of_patients_is_refused_without_a_word_of_it(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, started("a"), *attempt(instance(1)))
    listed = tmp_path / "list.csv"
    listed.write_text(text)

    given = ["audit", "export", "--format", "dicom", "--state", tmp_path, "--patients", listed]
    assert type_command([str(one) for one in given]) == 1
    assert "P" not in capsys.readouterr().err.replace("studiesId,PatientID", "")


def test_every_message_is_as_full_as_may_be_and_no_instance_is_lost() -> None:
    uids = [f"1.{'9' * 56}.{number}" for number in range(10_000, 13_000)]

    messages = list(audit_messages(map(deletion, uids), lambda _: None))

    sizes = [len(one.xml) for one in messages]
    assert max(sizes) <= MAX_OCTETS
    assert min(sizes[:-1]) > MAX_OCTETS - 150
    assert [uid for one in messages for uid in instances(checked(one.xml))] == uids


@given(st.text(), st.sampled_from(Outcome))
def test_whatever_a_file_or_a_ci_says_the_message_is_one_valid_line(
    text: str, outcome: Outcome
) -> None:
    one = deletion("1.4", text=text, outcome=outcome)
    (message,) = audit_messages([one], lambda _: text)

    assert "\n" not in message.xml
    checked(message.xml)
