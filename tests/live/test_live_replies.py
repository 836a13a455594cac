"""The two total tables: what an answer says of presence, and what it says of a deletion."""

import json

import pytest

from reconciler.live.dicomweb.probe_reply import observe
from reconciler.live.dicomweb.replies import delete_reply, no_answer
from reconciler.live.http.answer import Answer
from reconciler.live.http.faults import Fault
from reconciler.model.live import Presence
from reconciler.model.reply import ReplyKind

JSON = "application/json; charset=UTF-8"
DICOM_JSON = "application/dicom+json"
HTML = b"<!DOCTYPE html><title>Doe^Jane</title>"


def own(status: int) -> bytes:
    error = {"code": status, "message": "Doe^Jane", "status": "NOT_FOUND"}
    return json.dumps({"error": error}).encode()


def answer(status: int, kind: str = JSON, body: bytes = b"", **more: object) -> Answer:
    return Answer(status, kind, body, **more)


PRESENT = [
    answer(200, DICOM_JSON),
    answer(200, "Application/DICOM+JSON; charset=utf-8"),
]
ABSENT = [
    answer(404, JSON, own(404)),
    answer(404, JSON, b"[" + own(404) + b"]"),
    answer(404, "", own(404)),
    answer(404, DICOM_JSON, own(404)),
    answer(404, JSON, b'{"code": 404, "message": "no Route matched"}'),
    answer(404, JSON, b'{"code": "404"}'),
    answer(404, JSON, b'[{"code": 404}]'),
    answer(404, JSON, b'{"code": 404, "error": "Not Found"}'),
    answer(404, JSON, b'{"code": 404, "error": {"code": 404}}'),
]
UNEXPECTED_404 = [
    b'"the instance does not exist"',  # what a text is worth, the store must find out
    b'{"message": "no Route matched"}',
    b'{"message": "no Route matched with those values", "request_id": "1"}',
    b'{"error": "not found"}',
    b'{"error": {"message": "not found"}}',
    b'{"error": {"status": "NOT_FOUND"}}',
    b'{"detail": "Not Found"}',
    b'{"title": "Not Found", "status": 404}',
    b'{"HttpStatus": 404, "Message": "Unknown resource"}',
    b'{"code": 404, "error": {"code": 403}}',
    b'{"code": 403, "code": 404}',
    b'{"code": 404, "n": NaN}',
    b'{"code": 404.0}',
    b'{"code": [404]}',
    b'{"code": true}',
    b'{"code": null}',
    b'{"errors": [{"code": 404}]}',
    b'[[{"code": 404}]]',
    '{"code": 404}'.encode("utf-16"),
    b'\xef\xbb\xbf{"code": 404}',
    b'{"code": 404}{"code": 404}',
    b'" "',
]
UNKNOWN = [
    *(answer(404, JSON, body) for body in UNEXPECTED_404),
    answer(200, "application/dicom"),
    answer(200, "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.50"),
    answer(200, 'multipart/related; type="application/dicom"; boundary=x'),
    answer(200, "application/dicom+xml"),
    answer(200, "text/html", HTML),
    answer(200, JSON, b"{}"),
    answer(200, ""),
    answer(200, "multipart/related; type=text/plain; boundary=x"),
    answer(200, "application/dicomx"),
    answer(201, DICOM_JSON),
    answer(204, ""),
    answer(206, "application/dicom"),
    answer(301, JSON, own(404)),
    answer(302, "text/html", HTML),
    answer(304, ""),
    *(answer(status, JSON, own(status)) for status in (400, 401, 403, 405, 406, 409, 410, 451)),
    answer(404, "text/html", HTML),
    answer(404, "text/html", own(404)),
    answer(404, "text/plain", own(404)),
    answer(404, JSON, own(403)),
    answer(404, JSON, b"[" + own(404) + b"," + own(404) + b"]"),
    answer(404, JSON, b'{"code": 5}'),
    answer(404, JSON, own(404), is_whole=False),
    *(
        answer(404, JSON, body)
        for body in (b"", b"{}", b"[]", b"null", b"404", b"true", b'""', b"{", b"\xff", b"[" * 9000)
    ),
    *(answer(status, JSON, own(status)) for status in (408, 425, 429, 500, 501, 502, 503, 504)),
    answer(600, JSON),
]


@pytest.mark.parametrize(
    ("replied", "presence"),
    [(replied, Presence.PRESENT) for replied in PRESENT]
    + [(replied, Presence.ABSENT) for replied in ABSENT]
    + [(replied, Presence.UNKNOWN) for replied in UNKNOWN],
)
def test_an_answer_to_a_probe(replied: Answer, presence: Presence) -> None:
    seen = observe(replied)
    assert seen.presence is presence
    assert (seen.detail != "") is (presence is Presence.UNKNOWN)


@pytest.mark.parametrize("body", UNEXPECTED_404)
def test_a_404_of_something_in_between_says_so(body: bytes) -> None:
    told = "HTTP 404, not in the API's own words"
    assert observe(answer(404, JSON, body)).detail == told
    assert delete_reply(answer(404, JSON, body)).detail == told


@pytest.mark.parametrize("replied", UNKNOWN)
def test_an_unknown_never_quotes_a_body(replied: Answer) -> None:
    assert "Doe" not in observe(replied).detail


OPERATION = b'{"name": "projects/p/locations/l/datasets/d/operations/123"}'

DELETIONS = [
    (answer(200, JSON, b"{}"), ReplyKind.ACCEPTED),
    (answer(200, JSON, b" {\n} "), ReplyKind.ACCEPTED),
    (answer(200, JSON, b""), ReplyKind.ACCEPTED),
    (answer(200, "", b""), ReplyKind.ACCEPTED),
    (answer(204, "", b""), ReplyKind.ACCEPTED),
    (answer(200, JSON, OPERATION), ReplyKind.OPERATION),
    (answer(202, JSON, OPERATION), ReplyKind.OPERATION),
    (answer(200, "text/html", OPERATION), ReplyKind.OPERATION),
    (answer(503, JSON, OPERATION), ReplyKind.OPERATION),
    (answer(200, "text/html", HTML), ReplyKind.UNEXPECTED),
    (answer(200, "text/html", b""), ReplyKind.UNEXPECTED),
    (answer(200, JSON, b"[]"), ReplyKind.UNEXPECTED),
    (answer(200, JSON, b'"ok"'), ReplyKind.UNEXPECTED),
    (answer(200, JSON, b'{"deleted": true}'), ReplyKind.UNEXPECTED),
    (answer(200, JSON, b"", is_whole=False), ReplyKind.UNEXPECTED),
    (answer(202, JSON, b"{}"), ReplyKind.UNEXPECTED),
    (answer(206, JSON, b"{}"), ReplyKind.UNEXPECTED),
    (answer(404, JSON, own(404)), ReplyKind.NOT_FOUND),
    (answer(404, JSON, b"[" + own(404) + b"]"), ReplyKind.NOT_FOUND),
    (answer(404, JSON, b'{"code": 404}'), ReplyKind.NOT_FOUND),
    *((answer(404, JSON, body), ReplyKind.UNEXPECTED) for body in UNEXPECTED_404),
    (answer(404, "text/html", HTML), ReplyKind.UNEXPECTED),
    (answer(404, JSON, own(403)), ReplyKind.UNEXPECTED),
    (answer(404, "", b""), ReplyKind.UNEXPECTED),
    (answer(401, JSON, own(401)), ReplyKind.UNAUTHENTICATED),
    (answer(401, "text/html", HTML), ReplyKind.UNAUTHENTICATED),
    (answer(425, JSON, own(425)), ReplyKind.THROTTLED),
    (answer(429, JSON, own(429)), ReplyKind.THROTTLED),
    (answer(429, "text/html", HTML), ReplyKind.THROTTLED),
    *((answer(s, JSON, own(s)), ReplyKind.UNCLEAR) for s in (408, 500, 502, 503, 504)),
    *((answer(s, "text/html", HTML), ReplyKind.UNCLEAR) for s in (408, 500, 502, 503, 504)),
    *((answer(s, "", b""), ReplyKind.UNEXPECTED) for s in (301, 302, 303, 307, 308)),
    (answer(302, JSON, b"{}"), ReplyKind.UNEXPECTED),
    *((answer(s, JSON, own(s)), ReplyKind.REFUSED) for s in (400, 403, 405, 409, 412, 422)),
    *((answer(s, "text/html", HTML), ReplyKind.UNEXPECTED) for s in (400, 403, 405, 409, 412)),
    (answer(403, "", b""), ReplyKind.UNEXPECTED),
    (answer(501, JSON, own(501)), ReplyKind.UNEXPECTED),
]


@pytest.mark.parametrize(("replied", "kind"), DELETIONS)
def test_an_answer_to_a_delete(replied: Answer, kind: ReplyKind) -> None:
    reply = delete_reply(replied)
    assert reply.kind is kind
    assert reply.status == replied.status
    assert "Doe" not in reply.detail
    assert (reply.detail == "") is (kind is ReplyKind.ACCEPTED)


def test_a_delete_reply_carries_what_a_record_needs() -> None:
    reply = delete_reply(answer(429, JSON, own(429), retry_after=7.0, request_id="r-1"))
    assert (reply.retry_after, reply.request_id) == (7.0, "r-1")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.NOT_SENT, ReplyKind.THROTTLED),
        (Fault.UNTRUSTED, ReplyKind.THROTTLED),
        (Fault.NO_TOKEN, ReplyKind.THROTTLED),
        (Fault.TIMEOUT, ReplyKind.UNCLEAR),
        (Fault.BROKEN, ReplyKind.UNCLEAR),
    ],
)
def test_no_answer_to_a_delete(fault: Fault, kind: ReplyKind) -> None:
    reply = no_answer(fault, "r-1")
    assert (reply.kind, reply.status, reply.request_id) == (kind, None, "r-1")
    assert ("nothing was sent" in reply.detail) is (kind is ReplyKind.THROTTLED)
