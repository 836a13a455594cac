"""Answers that no healthy Orthanc gives: a clear reply, and no DELETE that was not meant."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.errors import CredentialsError, LiveError, PreflightError
from reconciler.live.connection import Connection, ConnectionSettings
from reconciler.live.http.endpoint import parse_endpoint
from reconciler.live.http.file_body import FileBody
from reconciler.live.http.retry import RetryPolicy
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress, Provider, StoreAddress
from reconciler.model.live import OddRow, Presence
from reconciler.model.reply import ReplyKind

from ..serving import QuietHandler, serving_http
from .conftest import STORE

ONE = InstanceAddress("1.2", "1.2.1", "1.2.1.1")
ID = "27adbf1a-cd6ceeb7-05cc4ebb-16a884fb-74f8993b"
OTHER_ID = "79fe0351-dea5ac71-b47cdb1a-4e5a3ad6-9d4b9452"
METADATA = ("GET", f"/dicom-web{ONE}/metadata")
LOOKUP = ("POST", "/tools/lookup")
DELETE = ("DELETE", f"/instances/{ID}")
SEARCH = ("GET", "/dicom-web/instances?SOPInstanceUID=2.25.0&limit=1")
SYSTEM = ("GET", "/system")
FIND = (
    "GET",
    "/dicom-web/instances?SOPInstanceUID=1.2.1.1&includefield=0020000D,0020000E"
    "&limit=5000&offset=0",
)
HTML = (502, "text/html", b"<!DOCTYPE html><title>Doe^Jane</title>")

Reply = tuple[int, str | None, bytes]


def own(status: int, code: int, kind: str | None = None) -> Reply:
    """Orthanc's error object; since release 1.12 it is sent as text/plain."""
    told = {"HttpStatus": status, "OrthancStatus": code, "Details": "Doe^Jane"}
    return status, kind, json.dumps(told).encode()


def row(address: InstanceAddress) -> dict[str, object]:
    tags = ("0020000D", "0020000E", "00080018")
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in zip(tags, address, strict=True)}


def listed(*addresses: InstanceAddress) -> Reply:
    return 200, "application/dicom+json", json.dumps(list(map(row, addresses))).encode()


def found(*identifiers: object, level: str = "Instance") -> Reply:
    rows = [{"ID": one, "Path": f"/instances/{one}", "Type": level} for one in identifiers]
    return 200, "application/json", json.dumps(rows).encode()


def tags(identifier: str, address: InstanceAddress) -> dict[tuple[str, str], Reply]:
    names = ("0020-000d", "0020-000e", "0008-0018")
    return {
        ("GET", f"/instances/{identifier}/content/{name}"): (200, None, f"{uid}\0".encode())
        for name, uid in zip(names, address, strict=True)
    }


HEALTHY: dict[tuple[str, str], Reply] = {
    SEARCH: (200, "application/dicom+json", b"[]"),
    SYSTEM: (200, "application/json", b'{"ApiVersion": 16, "Version": "1.10.1"}'),
    METADATA: (200, "application/dicom+json", b'[{"00080018": {"Value": ["1.2.1.1"]}}]'),
    LOOKUP: found(ID),
    **tags(ID, ONE),
    DELETE: (200, "application/json", b'{"RemainingAncestor": null}'),
}


class Fake:
    """Answers as it is told, and notes what it was asked."""

    def __init__(self) -> None:
        self.replies = dict(HEALTHY)
        self.seen: list[tuple[str, str]] = []
        self.sent: list[tuple[str | None, bytes]] = []
        self.store: DicomStore

    @property
    def deletes(self) -> list[tuple[str, str]]:
        return [one for one in self.seen if one[0] == "DELETE"]


@pytest.fixture
def fake() -> Iterator[Fake]:
    server = Fake()
    with serving(server) as url, connection(url) as opened:
        server.store = opened.store(STORE)
        yield server


@contextmanager
def serving(fake: Fake) -> Iterator[str]:
    class Handler(QuietHandler):
        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fake.seen.append((self.command, self.path))
            fake.sent.append((self.headers.get("Content-Type"), sent))
            status, kind, body = fake.replies.get((self.command, self.path), own(404, 17))
            self.send_response(status)
            if kind is not None:
                self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names are http.server's

    with serving_http(Handler) as origin:
        yield origin


def connection(url: str, *, read_only: bool = False, page_size: int = 5000) -> Connection:
    numbers = itertools.count()
    return Connection(
        ConnectionSettings(
            parse_endpoint(url),
            read_only=read_only,
            provider=Provider.ORTHANC,
            page_size=page_size,
            retry=RetryPolicy(attempts=2, first_wait=0.0, longest_retry_after=0.0),
        ),
        now=lambda: datetime.now(UTC),
        random_source=random.Random(1),
        request_ids=lambda: str(next(numbers)),
        stop=threading.Event(),
    )


def test_a_healthy_one_is_asked_for_the_address_before_one_delete(fake: Fake) -> None:
    fake.store.preflight(deleting=True)
    fake.seen.clear()
    assert fake.store.delete(ONE).kind is ReplyKind.ACCEPTED
    assert fake.seen == [LOOKUP, *tags(ID, ONE), DELETE]


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({LOOKUP: found()}, ReplyKind.NOT_FOUND, "nothing"),
        ({LOOKUP: found(ID, level="Series")}, ReplyKind.NOT_FOUND, "nothing"),
        (tags(ID, ONE._replace(study_uid="1.3")), ReplyKind.REFUSED, "other addresses only"),
        (tags(ID, ONE._replace(series_uid="1.3")), ReplyKind.REFUSED, "other addresses only"),
        (tags(ID, ONE._replace(instance_uid="1.3")), ReplyKind.REFUSED, "other addresses only"),
        (
            {LOOKUP: found(ID, OTHER_ID), **tags(OTHER_ID, ONE)},
            ReplyKind.REFUSED,
            "more than one patient",
        ),
        ({LOOKUP: found("../../patients/x")}, ReplyKind.REFUSED, "identifier"),
        ({LOOKUP: found(f"{ID}/..")}, ReplyKind.REFUSED, "identifier"),
        ({LOOKUP: found(f"{ID}\n")}, ReplyKind.REFUSED, "identifier"),
        ({LOOKUP: found(7)}, ReplyKind.REFUSED, "identifier"),
        ({LOOKUP: (200, "application/json", b'{"ID": "x"}')}, ReplyKind.REFUSED, "list"),
        ({LOOKUP: (200, "application/json", b"[1]")}, ReplyKind.REFUSED, "list"),
        ({LOOKUP: (200, "text/html", b"<html>")}, ReplyKind.REFUSED, "list"),
        ({LOOKUP: HTML}, ReplyKind.REFUSED, "HTTP 502"),
        ({LOOKUP: own(500, 1)}, ReplyKind.REFUSED, "HTTP 500"),
        ({LOOKUP: own(404, 17)}, ReplyKind.REFUSED, "HTTP 404"),
        ({LOOKUP: own(403, 0)}, ReplyKind.REFUSED, "HTTP 403"),
        ({LOOKUP: (401, None, b"")}, ReplyKind.UNAUTHENTICATED, "password"),
    ],
)
def test_a_lookup_that_does_not_name_this_instance_alone_sends_no_delete(
    fake: Fake, changes: dict[tuple[str, str], Reply], kind: ReplyKind, said: str
) -> None:
    fake.replies |= changes
    reply = fake.store.delete(ONE)
    assert (reply.kind, fake.deletes) == (kind, [])
    assert said in reply.detail
    assert "Doe" not in reply.detail


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ((200, "application/json", b'{"RemainingAncestor": {"Type": "Series"}}'), "accepted"),
        ((200, "application/json", b"{}"), "unexpected"),
        ((200, "text/html", b"<html>"), "unexpected"),
        (own(404, 7), "not_found"),
        (own(404, 7, "text/plain"), "not_found"),
        ((404, None, b""), "not_found"),
        ((404, "text/plain", b"404 page not found"), "unexpected"),
        ((404, "text/html", b"<html>"), "unexpected"),
        ((404, "application/json", b'{"code": 404}'), "unexpected"),
        (own(403, 0), "refused"),
        (own(403, 0, "text/plain"), "refused"),
        ((403, "application/json", b'{"code": 403}'), "unexpected"),
        ((401, None, b""), "unauthenticated"),
        (own(500, 1), "unclear"),
        (HTML, "unclear"),
    ],
)
def test_what_a_delete_came_to(fake: Fake, reply: Reply, kind: str) -> None:
    fake.replies[DELETE] = reply
    assert fake.store.delete(ONE).kind.value == kind
    assert len(fake.deletes) == 1


@pytest.mark.parametrize(
    ("changes", "presence"),
    [
        ({}, Presence.PRESENT),
        ({METADATA: (401, None, b""), LOOKUP: found()}, Presence.UNKNOWN),
        ({METADATA: (403, None, b""), LOOKUP: found()}, Presence.UNKNOWN),
        ({METADATA: (410, None, b""), LOOKUP: found()}, Presence.UNKNOWN),
        ({METADATA: (302, None, b""), LOOKUP: found()}, Presence.UNKNOWN),
        ({METADATA: own(500, 1)}, Presence.UNKNOWN),
        ({METADATA: HTML}, Presence.UNKNOWN),
    ],
)
def test_a_probe_has_three_answers(
    fake: Fake, changes: dict[tuple[str, str], Reply], presence: Presence
) -> None:
    fake.replies |= changes
    assert fake.store.probe(ONE).presence is presence


NOT_FOUND = [
    own(404, 7),
    own(404, 7, "text/plain"),
    (404, None, b""),
    (404, "text/plain", b"404 page not found"),
    (404, "text/html", b"<html>"),
]
"""As releases and options write it, and as gateways do."""


def became(status: object) -> Reply:
    return 200, "application/json", json.dumps({"ID": ID, "Status": status}).encode()


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (became("Success"), "accepted", ""),
        (became("AlreadyStored"), "already_exists", "AlreadyStored"),
        (became("FilteredOut"), "refused", "FilteredOut"),
        (became("Doe^Jane"), "unexpected", "HTTP 200 with application/json"),
        (became(["Success"]), "unexpected", "HTTP 200"),
        ((200, "application/json", b'[{"Status": "Success"}]'), "unexpected", "HTTP 200"),
        ((200, "application/dicom+json", b'{"00081199": {}}'), "unexpected", "HTTP 200"),
        ((200, "text/html", b"<html>"), "unexpected", "HTML"),
        ((200, None, b""), "unexpected", "HTTP 200"),
        (own(400, 15), "refused", "HTTP 400, OrthancStatus 15"),
        (own(400, 15, "text/plain"), "refused", "HTTP 400, OrthancStatus 15"),
        (own(507, 19, "text/plain"), "refused", "HTTP 507, OrthancStatus 19"),
        ((400, None, b""), "unexpected", "HTTP 400"),
        ((404, "text/html", b"<html>"), "unexpected", "HTML"),
        ((413, "application/json", b'{"code": 413}'), "unexpected", "HTTP 413"),
        ((401, None, b""), "unauthenticated", "HTTP 401"),
        (own(500, 1), "unclear", "HTTP 500"),
        (HTML, "unclear", "HTTP 502"),
    ],
)
def test_an_answer_to_a_file(
    fake: Fake, tmp_path: Path, reply: Reply, kind: str, said: str
) -> None:
    fake.replies["POST", "/instances"] = reply
    (tmp_path / "a.dcm").write_bytes(b"a file")
    with (tmp_path / "a.dcm").open("rb") as file:
        answered = fake.store.store(file)
    assert fake.seen == [("POST", "/instances")]
    assert fake.sent == [("application/dicom", b"a file")]
    assert (answered.kind.value, said in answered.detail) == (kind, True)
    assert "Doe" not in answered.detail
    assert (answered.detail == "") is (kind == "accepted")


@pytest.mark.parametrize("path", ["/dicom-web/studies", "/instances/", f"/instances/{ID}"])
def test_the_one_path_of_a_file_is_that_of_all_instances(
    fake: Fake, tmp_path: Path, path: str
) -> None:
    (tmp_path / "a.dcm").write_bytes(b"a file")
    with (tmp_path / "a.dcm").open("rb") as file, pytest.raises(LiveError):
        fake.store._transport.store(path, FileBody(file), accept="application/json")
    assert fake.seen == []


@pytest.mark.parametrize("missing", NOT_FOUND)
@pytest.mark.parametrize(
    ("lookup", "presence"),
    [
        ({LOOKUP: found()}, Presence.ABSENT),
        ({LOOKUP: found(ID, level="Series")}, Presence.ABSENT),
        (tags(ID, ONE._replace(series_uid="1.3")), Presence.ABSENT),
        ({}, Presence.UNKNOWN),
        ({LOOKUP: own(404, 17, "text/plain")}, Presence.UNKNOWN),
        ({LOOKUP: (404, None, b"")}, Presence.UNKNOWN),
        ({LOOKUP: (401, None, b"")}, Presence.UNKNOWN),
        ({LOOKUP: HTML}, Presence.UNKNOWN),
        ({LOOKUP: (200, "text/html", b"<html>")}, Presence.UNKNOWN),
        ({LOOKUP: (200, "text/plain", b"[]")}, Presence.UNKNOWN),
        ({LOOKUP: (200, None, b"[]")}, Presence.UNKNOWN),
        ({LOOKUP: (200, "application/json", b"{}")}, Presence.UNKNOWN),
        ({LOOKUP: (200, "application/json", b"")}, Presence.UNKNOWN),
        ({LOOKUP: (204, None, b"")}, Presence.UNKNOWN),
        ({LOOKUP: (302, None, b"")}, Presence.UNKNOWN),
    ],
)
def test_a_404_is_an_absence_only_if_the_lookup_finds_nothing(
    fake: Fake, missing: Reply, lookup: dict[tuple[str, str], Reply], presence: Presence
) -> None:
    fake.replies |= {METADATA: missing, **lookup}
    assert fake.store.probe(ONE).presence is presence


@pytest.mark.parametrize("missing", NOT_FOUND)
@pytest.mark.parametrize(
    ("lookup", "presence"),
    [
        (found(), Presence.ABSENT),
        (found(ID, level="Study"), Presence.UNKNOWN),
        ((404, None, b""), Presence.UNKNOWN),
        ((200, "text/plain", b"[]"), Presence.UNKNOWN),
    ],
)
def test_so_is_that_of_a_whole(
    fake: Fake, missing: Reply, lookup: Reply, presence: Presence
) -> None:
    fake.replies |= {("GET", "/dicom-web/studies/1.2/metadata"): missing, LOOKUP: lookup}
    assert fake.store.probe_study_or_series("1.2", None).presence is presence


@pytest.mark.parametrize(
    ("search", "presence"),
    [
        (listed(), Presence.ABSENT),
        ((204, None, b""), Presence.ABSENT),
        (listed(ONE._replace(series_uid="1.3")), Presence.ABSENT),
        (listed(ONE), Presence.UNKNOWN),
        (listed(ONE._replace(instance_uid="1.3")), Presence.UNKNOWN),
        ((404, None, b""), Presence.UNKNOWN),
        ((200, "text/html", b"<html>"), Presence.UNKNOWN),
        ((200, "application/json", b"{}"), Presence.UNKNOWN),
        (HTML, Presence.UNKNOWN),
    ],
)
def test_a_lookup_by_another_service_is_no_proof_against_a_search(
    fake: Fake, search: Reply, presence: Presence
) -> None:
    """A gateway answers 404 below a path, and sends lookups to an Orthanc that holds nothing."""
    last = ("GET", FIND[1].replace("&offset=0", "&offset=1"))
    fake.replies |= {METADATA: (404, None, b""), LOOKUP: found(), FIND: search, last: listed()}
    seen = fake.store.confirmed(ONE, fake.store.probe(ONE))
    assert seen.presence is presence


def test_an_accepted_delete_explains_an_absence(fake: Fake) -> None:
    fake.replies |= {METADATA: (404, None, b""), LOOKUP: found(), FIND: (404, None, b"")}
    seen = fake.store.confirmed(ONE, fake.store.probe(ONE), explained=True)
    assert seen.presence is Presence.ABSENT


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({SEARCH: own(404, 17)}, PreflightError),
        ({SEARCH: (200, "application/dicom+json", b'[{"00100010": 1}]')}, PreflightError),
        ({SEARCH: (200, "text/html", b"<html>")}, PreflightError),
        ({SEARCH: HTML}, PreflightError),
        ({SEARCH: (401, None, b"")}, CredentialsError),
        ({SYSTEM: own(404, 17)}, PreflightError),
        ({SYSTEM: (200, "application/json", b"{}")}, PreflightError),
        (
            {SYSTEM: (200, "application/json", b'{"ApiVersion": 9, "ReadOnly": true}')},
            PreflightError,
        ),
    ],
)
def test_a_preflight_says_what_is_wrong(
    fake: Fake, changes: dict[tuple[str, str], Reply], error: type[Exception]
) -> None:
    fake.replies |= changes
    with pytest.raises(error) as caught:
        fake.store.preflight(deleting=True)
    assert "Doe" not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.delete(ONE),
        lambda store: store._transport.delete(f"/instances/{ID}"),
    ],
)
def test_a_connection_for_planning_deletes_nothing(
    fake: Fake, call: Callable[[DicomStore], object]
) -> None:
    with serving(fake) as url, connection(url, read_only=True) as opened:
        store = opened.store(STORE)
        with pytest.raises(LiveError):
            call(store)
    assert fake.deletes == []


@pytest.mark.parametrize(
    "path",
    [
        "/instances/",
        f"/patients/{ID}",
        f"/studies/{ID}",
        f"/series/{ID}",
        f"/instances/{ID}/..",
        f"/instances/{ID}/attachments/dicom",
        f"/instances/{ID}?x",
        "/instances/1.2.3",
        "/changes",
        "/exports",
    ],
)
def test_the_one_pattern_of_a_delete_is_that_of_an_instance(fake: Fake, path: str) -> None:
    with pytest.raises(LiveError):
        fake.store._transport.delete(path)
    assert fake.seen == []


def test_the_credentials_of_one_provider_never_serve_another(fake: Fake) -> None:
    with serving(fake) as url, connection(url) as opened, pytest.raises(LiveError, match="orthanc"):
        opened.store(StoreAddress("p", "l", "d", "s"))


def pages(path: str, *rows: InstanceAddress, limit: int) -> dict[tuple[str, str], Reply]:
    """What a search answers, page by page; the one that ends it is empty."""
    fields = "includefield=0020000D,0020000E,00080016,00080008,00080060,00080020"
    asked = f"/dicom-web{path}/instances?{fields}&limit={limit}&offset="
    starts = range(0, len(rows) + limit, limit)
    return {("GET", f"{asked}{at}"): listed(*rows[at : at + limit]) for at in starts}


def test_of_a_listing_that_is_cut_off_on_purpose_no_more_is_read(fake: Fake) -> None:
    rows = [ONE._replace(instance_uid=f"1.2.1.{number}") for number in range(1, 41)]
    fake.replies |= pages("/studies/1.2/series/1.2.1", *rows, limit=2)
    assert set(fake.store.list_instances("1.2", "1.2.1", at_most=2)) == set(rows[:2])
    assert len(fake.seen) == 1


@pytest.mark.parametrize("at", [0, 1, 2])
def test_both_rows_of_a_shared_address_count_whatever_page_they_are_on(fake: Fake, at: int) -> None:
    rows = [ONE._replace(instance_uid=f"1.2.1.{number}") for number in range(2, 6)]
    rows[at:at] = [ONE, ONE]
    counted = json.dumps([{"00201208": {"vr": "IS", "Value": [len(rows)]}}]).encode()
    asked = "/dicom-web/studies?StudyInstanceUID=1.2&includefield=00201208"
    fake.replies |= pages("/studies/1.2", *rows, limit=2)
    fake.replies["GET", asked] = (200, "application/dicom+json", counted)
    with serving(fake) as url, connection(url, page_size=2) as opened:
        found = set(opened.store(STORE).list_instances("1.2"))
    assert found == {*rows, OddRow(ONE)}
