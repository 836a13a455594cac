from __future__ import annotations

import json
import socket
import time

from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults


def test_every_request_is_logged_with_what_matters(site):
    headers = {
        "X-Request-Id": "run-1",
        "X-Goog-Healthcare-Audit-Plan": "RET-1042",
        "Authorization": "Bearer secret",
        "Accept": "application/dicom+json",
    }
    site.session.get(site.web("/studies?PatientID=nobody"), headers=headers)
    site.delete(site.ct)
    search, delete = site.emulator.requests()
    assert (search.method, search.status, search.changed) == ("GET", 204, False)
    assert search.path == f"/v1/{DEMO_STORE}/dicomWeb/studies?PatientID=nobody"
    assert search.authorized
    assert search.headers == {
        "accept": "application/dicom+json",
        "x-request-id": "run-1",
        "x-goog-healthcare-audit-plan": "RET-1042",
    }
    assert (delete.method, delete.status, delete.changed) == ("DELETE", 200, True)
    assert not delete.authorized
    assert delete.sequence == search.sequence + 1
    assert delete.time > search.time


def test_the_log_never_holds_a_token(site, tmp_path):
    site.session.get(site.url(), headers={"Authorization": "Bearer secret"})
    assert "secret" not in str(site.emulator.requests())


def test_the_log_is_read_and_cleared_over_http(site):
    control = f"{site.emulator.url}/_emulator/requests"
    for _ in range(3):
        site.session.get(site.url())
    records = site.session.get(control).json()
    assert [record["sequence"] for record in records] == [1, 2, 3]
    later = site.session.get(f"{control}?since=2").json()
    assert [record["sequence"] for record in later] == [3]
    site.session.delete(control)
    assert site.emulator.requests() == []
    site.session.get(site.url())
    assert [record.sequence for record in site.emulator.requests()] == [4]
    assert site.session.get(f"{control}?since=4").json() == []
    assert site.session.get(f"{control}?since=x").status_code == 400


def test_the_log_is_appended_to_a_file_before_the_answer(start, tmp_path):
    log = tmp_path / "requests.jsonl"
    site = start(request_log=log)
    site.delete(site.ct)
    (record,) = (json.loads(line) for line in log.read_text().splitlines())
    assert (record["method"], record["status"], record["changed"]) == ("DELETE", 200, True)
    site.emulator.set_faults(Faults((FaultRule(FaultKind.STATUS, status=503),)))
    site.session.get(site.url())
    assert [json.loads(line)["status"] for line in log.read_text().splitlines()] == [200, 503]


def test_a_client_that_leaves_amid_its_request_is_on_record(site):
    """Without it, who waits for an answer to every request would wait for ever."""
    host, _, port = site.emulator.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as client:
        head = f"POST /v1/{DEMO_STORE}:testIamPermissions HTTP/1.1\r\nHost: localhost\r\n"
        client.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        while not site.emulator.requests():
            time.sleep(0.01)
    deadline = time.monotonic() + 10
    while site.emulator.requests()[0].status is None and time.monotonic() < deadline:
        time.sleep(0.01)
    (record,) = site.emulator.requests()
    assert (record.status, record.changed) == ("lost", False)
