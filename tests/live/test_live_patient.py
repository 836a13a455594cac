"""Whose an instance is: read from its metadata, and only its pseudonym comes out."""

from __future__ import annotations

import json

import pytest

from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults
from reconciler.errors import LiveError
from reconciler.model.address import InstanceAddress
from reconciler.model.patient import Attribute, PatientKey

KEY = PatientKey(b"k" * 32)
WHERE = InstanceAddress("1.2", "1.2.1", "1.2.1.1")
METADATA = f"/v1/{DEMO_STORE}/dicomWeb{WHERE}/metadata"


def test_the_pseudonym_is_that_of_the_stored_patient_id(store, put) -> None:
    assert store.attributes(put(*WHERE), KEY)[Attribute.PATIENT] == KEY.pseudonym("1234")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (FaultRule(FaultKind.STATUS, status=403), "HTTP 403"),
        (FaultRule(FaultKind.STATUS, status=503), "HTTP 503 after 3 attempts"),
        (FaultRule(FaultKind.HTML, status=200), "HTTP 200 with HTML"),
        (FaultRule(FaultKind.RESET), "the connection broke"),
        (FaultRule(FaultKind.TRUNCATE), "the connection broke"),
    ],
)
def test_what_cannot_be_read_is_said_without_what_was_read(
    emulator, store, put, rule, said
) -> None:
    one = put(*WHERE)
    emulator.set_faults(Faults((rule,)))
    with pytest.raises(LiveError, match=said) as raised:
        store.attributes(one, KEY)
    assert "1234" not in str(raised.value)


@pytest.mark.parametrize(
    "element",
    [None, {"vr": "LO"}, {"vr": "LO", "Value": []}, {"vr": "LO", "Value": [" "]}],
)
def test_an_instance_without_a_patient_id_has_none(scripted, connect, element) -> None:
    answer_with(scripted, metadata(element))
    assert connect(scripted.url).store(DEMO_STORE).attributes(WHERE, KEY)[Attribute.PATIENT] is None


@pytest.mark.parametrize("body", ["[]", "[{}, {}]", "{}", '["00100020"]', '[{"a": "SENTINEL"'])
def test_an_answer_that_is_no_metadata_of_one_instance_is_refused(scripted, connect, body) -> None:
    answer_with(scripted, body)
    with pytest.raises(LiveError) as raised:
        connect(scripted.url).store(DEMO_STORE).attributes(WHERE, KEY)
    assert "SENTINEL" not in str(raised.value)


def metadata(element: object, where: InstanceAddress = WHERE) -> str:
    tags = ("0020000D", "0020000E", "00080018")
    uids = {tag: {"vr": "UI", "Value": [uid]} for tag, uid in zip(tags, where, strict=True)}
    return json.dumps([uids if element is None else {**uids, "00100020": element}])


@pytest.mark.parametrize(
    "element",
    [
        {"vr": "LO", "Value": ["A", "B"]},
        {"vr": "LO", "Value": [7]},
        {"vr": "LO", "InlineBinary": "U0VOVElORUw="},
        {"vr": "LO", "BulkDataURI": "x"},
        "SENTINEL",
        [],
    ],
)
def test_an_id_that_is_said_in_no_known_way_is_not_taken_for_none(
    scripted, connect, element
) -> None:
    answer_with(scripted, metadata(element))
    with pytest.raises(LiveError, match="in no known way") as raised:
        connect(scripted.url).store(DEMO_STORE).attributes(WHERE, KEY)
    assert "SENTINEL" not in str(raised.value)


def test_the_metadata_of_another_instance_say_nothing(scripted, connect) -> None:
    element = {"vr": "LO", "Value": ["1234"]}
    answer_with(scripted, metadata(element, WHERE._replace(instance_uid="1.2.1.2")))
    with pytest.raises(LiveError, match="of another instance"):
        connect(scripted.url).store(DEMO_STORE).attributes(WHERE, KEY)


def answer_with(scripted, body: str) -> None:
    headers = {"Content-Type": "application/dicom+json"}
    scripted.replies["GET", METADATA] = (200, headers, body.encode())
