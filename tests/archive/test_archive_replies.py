"""The tables of a restore, and the request that carries a DICOM file."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

from reconciler.applying.outcome import RESTORES, AttemptSummary, Comparison, summarize
from reconciler.live.dicomweb.replies import no_answer, store_reply
from reconciler.live.http.answer import Answer
from reconciler.live.http.faults import Fault
from reconciler.live.http.file_body import MultipartFile
from reconciler.live.providers.google.store import guards
from reconciler.model.address import StoreAddress
from reconciler.model.outcome import Outcome
from reconciler.model.reply import ReplyKind

JSON = "application/json; charset=UTF-8"
DICOM_JSON = "application/dicom+json"
HTML = b"<!DOCTYPE html><title>Doe^Jane</title>"
STORED = b'{"00081199": {"vr": "SQ", "Value": [{}]}}'
NONE_FAILED = (
    b'{"00081198": {"vr": "SQ"}, "00081199": {"vr": "SQ", "Value": [{}]}}',
    b'{"00081198": {"vr": "SQ", "Value": []}, "00081199": {"vr": "SQ", "Value": [{}]}}',
)
"""Orthanc writes the Failed SOP Sequence of a success too, without an item."""
FAILED = b'{"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [273]}}]}}'


def own(status: int) -> bytes:
    return json.dumps({"error": {"code": status, "message": "Doe^Jane"}}).encode()


K = ReplyKind
REPLIES = [
    (Answer(200, DICOM_JSON, STORED), K.ACCEPTED),
    (Answer(200, JSON, STORED), K.ACCEPTED),
    *((Answer(200, DICOM_JSON, body), K.ACCEPTED) for body in NONE_FAILED),
    (Answer(200, DICOM_JSON, b'{"00081198": []}'), K.UNEXPECTED),
    (Answer(200, "application/dicom+xml", b"<NativeDicomModel/>"), K.ACCEPTED),
    (Answer(200, DICOM_JSON, FAILED), K.UNEXPECTED),
    (Answer(200, DICOM_JSON, b""), K.UNEXPECTED),
    (Answer(200, DICOM_JSON, STORED, is_whole=False), K.UNEXPECTED),
    (Answer(200, "text/html", HTML), K.UNEXPECTED),
    (Answer(202, DICOM_JSON, FAILED), K.UNEXPECTED),
    (Answer(204, "", b""), K.UNEXPECTED),
    (Answer(409, DICOM_JSON, FAILED), K.ALREADY_EXISTS),
    (Answer(409, JSON, own(409)), K.ALREADY_EXISTS),
    (Answer(409, "application/dicom+xml", b"<x/>"), K.ALREADY_EXISTS),
    (Answer(409, "text/html", HTML), K.UNEXPECTED),
    (Answer(401, JSON, own(401)), K.UNAUTHENTICATED),
    (Answer(401, "text/html", HTML), K.UNAUTHENTICATED),
    (Answer(425, JSON, own(425)), K.THROTTLED),
    (Answer(429, "text/html", HTML), K.THROTTLED),
    *((Answer(status, JSON, own(status)), K.REFUSED) for status in (400, 403, 404, 413, 415)),
    *((Answer(status, "text/html", HTML), K.UNEXPECTED) for status in (400, 403, 404, 413)),
    *((Answer(status, "", b""), K.UNEXPECTED) for status in (301, 302, 307, 501)),
    *((Answer(status, JSON, own(status)), K.UNCLEAR) for status in (408, 500, 502, 503, 504)),
]


@pytest.mark.parametrize(("answer", "kind"), REPLIES)
def test_an_answer_to_a_store(answer: Answer, kind: ReplyKind) -> None:
    reply = store_reply(answer)
    assert (reply.kind, reply.status) == (kind, answer.status)
    assert "Doe" not in reply.detail
    assert (reply.detail == "") is (kind is K.ACCEPTED)


@pytest.mark.parametrize("fault", Fault)
def test_no_answer_to_a_store(fault: Fault) -> None:
    reply = no_answer(fault, "r-1")
    assert reply.kind is (K.THROTTLED if fault.nothing_was_sent else K.UNCLEAR)
    assert (reply.status, reply.request_id) == (None, "r-1")


def test_the_outcome_table_is_total_and_only_a_comparison_proves() -> None:
    replies = set(K) - {K.NOT_FOUND, K.OPERATION}
    summaries = {summarize([reply]) for reply in replies}
    assert set(RESTORES) == set(itertools.product(summaries, Comparison))
    for (_, comparison), outcome in RESTORES.items():
        proven = {Comparison.IDENTICAL, Comparison.SAME_DATASET}
        assert outcome.is_restored is (comparison in proven)
        assert (outcome is Outcome.CONFLICT) is (comparison is Comparison.DIFFERENT)


@pytest.mark.parametrize(
    ("replies", "summary"),
    [
        ([K.ACCEPTED], AttemptSummary.ACCEPTED),
        ([K.UNCLEAR, K.ALREADY_EXISTS], AttemptSummary.ALREADY_EXISTS),
        ([K.UNCLEAR, K.REFUSED], AttemptSummary.AMBIGUOUS),
        ([K.UNEXPECTED], AttemptSummary.AMBIGUOUS),
        ([K.THROTTLED, K.UNAUTHENTICATED], AttemptSummary.REFUSED),
    ],
)
def test_the_attempts_taken_together(replies: list[ReplyKind], summary: AttemptSummary) -> None:
    assert summarize(replies) is summary


def test_the_body_has_the_length_that_it_says(tmp_path: Path) -> None:
    file = tmp_path / "1.2.dcm"
    file.write_bytes(b"\r\n--x\r\n" * 100_000)
    with file.open("rb") as opened:
        body = MultipartFile(opened)
        data = b"".join(body)
        assert b"".join(body) == data, "another attempt sends the same"
    assert len(body) == len(data)
    boundary = re.search("boundary=(.+)$", body.content_type)[1].encode()
    assert data.startswith(b"--" + boundary + b"\r\nContent-Type: application/dicom\r\n\r\n\r\n")
    assert data.endswith(b"\r\n--" + boundary + b"--\r\n")
    assert file.read_bytes() in data


def test_a_file_that_becomes_shorter_ends_the_request(tmp_path: Path) -> None:
    file = tmp_path / "1.2.dcm"
    file.write_bytes(b"0123456789")
    with file.open("rb") as opened:
        body = MultipartFile(opened)
        file.write_bytes(b"01234")
        with pytest.raises(OSError, match="shorter"):
            list(body)


def test_files_go_to_the_store_alone() -> None:
    address = StoreAddress("p", "l", "d", "s")
    path = f"/v1/{address}/dicomWeb/studies"
    assert guards(address).store.fullmatch(path)
    for other in (f"{path}/1.2", f"{path}/", path.replace("/s/", "/t/"), path + "\n", f"/x{path}"):
        assert guards(address).store.fullmatch(other) is None
