"""No secret is shown or written, whatever a store, a token service or a proxy makes of it.

Every answer that could come between quotes what it was sent: a redirect to where the token would
go, a 401 without end, errors and pages with the headers of the request in them.
"""

from __future__ import annotations

import http.client
import json
import logging
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from reconciler.emulator import DEMO_STORE

from ..live.token_service import SECRET, external, good, running_token_service, service_account
from ..serving import QuietHandler, serving_http
from .conftest import LIMITS_OPEN, REASON, Answer, Project, address, removal

pytestmark = pytest.mark.slow

PASSWORD = f"{SECRET}-pass word:%"
ENCODED = b64encode(f"reader:{PASSWORD}".encode()).decode()
SECRETS = (SECRET, ENCODED, quote(PASSWORD))


class Echo(QuietHandler):
    """Answers with what it was sent, in the headers and in the body."""

    status = 200
    kind = "application/json"
    upstream = ""
    passes: Callable[[str, str], bool] = staticmethod(lambda method, path: False)

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.passes(self.command, self.path):
            self.forward(body)
            return
        said = f"{self.headers}{body.decode(errors='replace')}"
        error = {"code": self.status, "message": said, "status": said}
        text = json.dumps({"error": error}) if "json" in self.kind else f"<html>{said}</html>"
        sent = " ".join(self.headers.get_all("Authorization", ["none"]))
        self.send_response(self.status, sent)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.send_header("Location", f"http://127.0.0.1:9/?{quote(sent)}")
        self.send_header("WWW-Authenticate", f'Bearer error="{sent}"')
        self.send_header("X-Request-Id", sent)
        self.end_headers()
        self.wfile.write(text.encode())

    def forward(self, body: bytes) -> None:
        store = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=30)
        store.request(self.command, self.path, body, dict(self.headers))
        found = store.getresponse()
        content = found.read()
        self.send_response(found.status)
        for name in ("Content-Type", "Content-Encoding"):
            if value := found.headers.get(name):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        store.close()

    do_GET = do_POST = do_DELETE = do_HEAD = do_CONNECT = answer  # noqa: N815 - http.server's names


@contextmanager
def echoing(status: int, kind: str = Echo.kind, **members: object) -> Iterator[str]:
    with serving_http(type("EchoNow", (Echo,), {"status": status, "kind": kind, **members})) as url:
        yield url


ANSWERS = [
    (200, "application/json"),
    (200, "text/html"),
    (302, "text/html"),
    (400, "application/json"),
    (401, "application/json"),
    (403, "application/json"),
    (404, "application/json"),
    (500, "text/html"),
]


@pytest.fixture(scope="module")
def key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return made.private_bytes(
        serialization.Encoding.PEM, form, serialization.NoEncryption()
    ).decode()


@pytest.fixture(params=["key", "federation"])
def signed(request, key: str, project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Credentials whose real flow gives a token in which the secret is."""
    with running_token_service() as service:
        service.answers = lambda method, path: good()
        if request.param == "key":
            content = service_account(service.url, key)
        else:
            subject = project.folder.parent / "subject"
            subject.write_text(SECRET)
            content = external(service.url, {"file": str(subject)})
        file = project.folder.parent / "credentials.json"
        file.write_text(json.dumps(content))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        yield


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a store goes on answering is not asked for again and again."""
    monkeypatch.setenv("RECONCILER_STOP_AFTER_FAILURES", "1")


def require_no_secret(project: Project, logged: str, *answers: Answer) -> None:
    """In nothing that was shown, logged, or written into the project and its state folder."""
    written = [path for path in project.folder.rglob("*") if path.is_file()]
    texts = [path.read_bytes().decode(errors="replace") for path in written]
    shown = "".join(answer.out + answer.err for answer in answers)
    for secret in SECRETS:
        assert secret not in shown + logged + "".join(texts)
    assert "Traceback" not in shown


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_read_requests(signed, project, caplog, monkeypatch, answer) -> None:
    caplog.set_level(logging.DEBUG)
    project.write("a.yaml", REASON + LIMITS_OPEN + removal([address(1, 1, 1)]))
    with echoing(*answer) as url:
        monkeypatch.setenv("RECONCILER_ENDPOINT", url)
        done = [
            project.run("plan", "--out", "plan.json", "--events", "events.jsonl"),
            project.run("import", DEMO_STORE, "--out", "specs/b.yaml"),
            project.run("apply", "--auto-approve", "--report", "report.json"),
        ]
    assert all(answer.code != 0 for answer in done)
    require_no_secret(project, caplog.text, *done)


@pytest.mark.parametrize("answer", ANSWERS[:-1], ids=str)  # what may pass is tried for minutes
def test_deletions(signed, project, caplog, monkeypatch, answer) -> None:
    caplog.set_level(logging.DEBUG)
    held = project.fill(1, 1, range(1, 4))
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(held))

    def passes(method: str, path: str) -> bool:
        return method != "DELETE"

    upstream = project.emulator.url
    with echoing(*answer, passes=staticmethod(passes), upstream=upstream) as url:
        monkeypatch.setenv("RECONCILER_ENDPOINT", url)
        planned = project.run("plan", "--out", "plan.json")
        assert planned.code == 0, planned.err
        options = ("--report", "report.json", "--events", "events.jsonl")
        done = project.run("apply", "plan.json", *options)
        shown = project.run("audit", "report")
    assert done.code == 4, done.err
    require_no_secret(project, caplog.text, planned, done, shown)


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_the_password_of_an_orthanc(project, caplog, monkeypatch, answer) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("RECONCILER_ORTHANC_USERNAME", "reader")
    monkeypatch.setenv("RECONCILER_ORTHANC_PASSWORD", PASSWORD)
    path = project.write("a.yaml", REASON + LIMITS_OPEN + removal([address(1, 1, 1)]))
    path.write_text(path.read_text().replace("store:\n", "store:\n  provider: orthanc\n", 1))
    with echoing(*answer) as url:
        monkeypatch.setenv("RECONCILER_ORTHANC_ENDPOINT", url)
        done = project.run("plan", "--out", "plan.json", "--events", "events.jsonl")
    assert done.code == 1
    require_no_secret(project, caplog.text, done)


@pytest.mark.parametrize("status", [200, 302, 403, 407, 502])
def test_the_password_of_a_proxy(signed, project, caplog, monkeypatch, status) -> None:
    caplog.set_level(logging.DEBUG)
    project.write("a.yaml", REASON + LIMITS_OPEN + removal([address(1, 1, 1)]))
    monkeypatch.setenv("RECONCILER_ENDPOINT", "https://store.example.org")
    with echoing(status) as url:
        monkeypatch.setenv("https_proxy", url.replace("//", f"//reader:{quote(PASSWORD)}@"))
        done = project.run("plan", "--out", "plan.json", "--events", "events.jsonl")
    assert done.code == 1
    require_no_secret(project, caplog.text, done)
