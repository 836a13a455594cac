"""Whatever the way to a token meets ends as a credentials error that shows no secret."""

from __future__ import annotations

import itertools
import json
import logging
import os
import shlex
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from google.auth.compute_engine import _metadata
from google.oauth2 import credentials as user_credentials

from reconciler.emulator import DEMO_STORE
from reconciler.errors import CredentialsError
from reconciler.live.connection import Connection
from reconciler.live.http import credentials
from reconciler.live.http.bounds import Bounds, Stopping, Term
from reconciler.live.http.credentials import load_token
from reconciler.live.http.endpoint import parse_endpoint
from reconciler.live.http.faults import NoAnswerError
from reconciler.live.http.identity import BasicIdentity
from reconciler.live.http.token_session import REPLY_LIMIT
from reconciler.live.http.tokens import SharedToken
from reconciler.live.workers import run_workers
from reconciler.model.address import InstanceAddress
from reconciler.model.live import ABSENT, Presence
from reconciler.model.reply import ReplyKind

from ..sampling import some
from .token_service import (
    EMAIL,
    SECRET,
    Reply,
    TokenService,
    external,
    from_aws,
    good,
    impersonated,
    of,
    running_token_service,
    service_account,
    user,
)

MISSING = InstanceAddress("1.2", "1.2.1", "1.2.1.1")
AWAY = parse_endpoint("https://healthcare.googleapis.com")


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    none = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, none).decode()


@pytest.fixture(scope="module")
def key() -> str:
    return pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048))


@pytest.fixture
def service() -> Iterator[TokenService]:
    with running_token_service() as running:
        yield running


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, Any]], str]:
    """Write a credentials file."""

    def write_file(content: dict[str, Any]) -> str:
        path = tmp_path / "credentials.json"
        path.write_text(json.dumps(content))
        return str(path)

    return write_file


def term() -> Term:
    """That of the answer to a request for a token."""
    return Term.of_small(Bounds(), Stopping(threading.Event()))


@pytest.fixture
def load(write: Callable[[dict[str, Any]], str]) -> Callable[..., SharedToken]:
    """The token of a credentials file, for a service elsewhere."""

    def load_content(content: dict[str, Any], proxies: dict[str, str] | None = None) -> SharedToken:
        return load_token(
            credentials_file=write(content),
            by_default=True,
            proxies=proxies or {},
            ca_bundle=None,
            term=term,
        )

    return load_content


@pytest.fixture
def connection(emulator, connect, write, content_of) -> Callable[[str], Connection]:
    """A connection to the embedded store with the credentials of a kind."""
    return lambda kind: connect(
        emulator.url, credentials_file=write(content_of(kind)), parallelism=16
    )


@pytest.fixture
def subject(tmp_path: Path) -> Path:
    path = tmp_path / "subject-token"
    path.write_text(SECRET)
    return path


@pytest.fixture
def metadata(service: TokenService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine of Google's: no file, and the metadata server is the token service."""
    host = service.url.removeprefix("http://")
    monkeypatch.setenv("GCE_METADATA_IP", host)
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", host)  # read when it is imported
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)


OF_ANOTHER_TYPE = [5, None, [SECRET], {"a": SECRET}, f"{SECRET}\r\n", "\ud800"]
KINDS = ["service account", "user", "workforce", "file", "url", "aws", "impersonated"]


@pytest.fixture
def content_of(
    service: TokenService, key: str, subject: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], dict[str, Any]]:
    """A credentials file of a kind, all of whose questions go to the token service."""

    url = service.url
    # google-auth does not read it from a user's file.
    monkeypatch.setattr(user_credentials, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{url}/token")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    contents = {
        "service account": service_account(url, key),
        "user": user(url, "authorized_user"),
        "workforce": user(url, "external_account_authorized_user"),
        "file": external(url, {"file": str(subject)}),
        "url": external(url, {"url": f"{url}/subject"}),
        "aws": from_aws(url),
        "impersonated": impersonated(url, subject),
    }
    return contents.__getitem__


def refused(token: SharedToken, error: type[Exception] = CredentialsError) -> Exception:
    """What asking for a token raises, with no secret in it, nor in its traceback."""
    with pytest.raises(error) as caught:
        token.headers()
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown
    assert "BEGIN" not in shown
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_credentials_of_every_kind_sign_and_ask_their_token_service_only(
    service, content_of, load, kind
) -> None:
    """No request but those: a proxy would see one to any other host before it is sent."""
    token = load(content_of(kind), {"https": service.url, "http": service.url})
    assert service.seen == []
    assert token.headers() == {"authorization": f"Bearer {SECRET}-good"}
    paths = {path for _, path in service.seen}
    assert paths <= {
        "/token",
        "/subject",
        f"/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken",
    }


def test_the_metadata_server_gives_a_token(service, metadata) -> None:
    service.answers = on_metadata(good())
    token = load_token(
        credentials_file=None,
        by_default=True,
        proxies={"http": "http://127.0.0.1:9"},
        ca_bundle=None,
        term=term,
    )
    assert token.headers() == {"authorization": f"Bearer {SECRET}-good"}
    assert token.principal == EMAIL


def on_metadata(reply: Reply) -> Callable[[str, str], Reply]:
    """The metadata server, which gives this reply for a token."""

    def answer(method: str, path: str) -> Reply:
        if path.partition("?")[0].endswith("/token"):
            return reply
        flavour = {"Content-Type": "application/json", "Metadata-Flavor": "Google"}
        return Reply(json.dumps({"email": EMAIL, "scopes": []}).encode(), headers=flavour)

    return answer


def tokens_of(token: object) -> Reply:
    return of(
        access_token=token, accessToken=token, expires_in=3600, expireTime="2999-01-01T00:00:00Z"
    )


def lasting(lifetime: object) -> Reply:
    return of(access_token=SECRET, accessToken=SECRET, expires_in=lifetime, expireTime=lifetime)


HTML = {"Content-Type": "text/html"}
MALFORMED = {
    "a line end in the token": tokens_of(f"{SECRET}\r\nX-Other: 1"),
    "a blank in the token": tokens_of(f"{SECRET} {SECRET}"),
    "a token that is not ASCII": tokens_of(f"{SECRET}\u00e9\u4e2d"),
    "an empty token": tokens_of(""),
    "a token that is a number": tokens_of(5),
    "a token that is a list": tokens_of([SECRET]),
    "a token that is null": tokens_of(None),
    "no token": of(secret=SECRET, expires_in=3600),
    "a lifetime in words": lasting(SECRET),
    "a lifetime that is a list": lasting([SECRET]),
    "a lifetime without end": lasting(float("inf")),
    "a lifetime that is no number": lasting(float("nan")),
    "a lifetime beyond the calendar": lasting(10**30),
    "a lifetime that is over": lasting(-1),
    "a list": Reply(f'["{SECRET}"]'.encode()),
    "a text": Reply(f'"{SECRET}"'.encode()),
    "a number": Reply(b"5"),
    "nothing": Reply(b""),
    "half of it": Reply(f'{{"access_token": "{SECRET}'.encode()),
    "depth without end": Reply(b'{"a":' * 100_000),
    "no UTF-8": Reply(b"\xff\xfe" + SECRET.encode()),
    "HTML": Reply(f"<html>{SECRET}</html>".encode(), headers=HTML),
    "too much": Reply(b" " * REPLY_LIMIT + json.dumps({"access_token": SECRET}).encode()),
}


@pytest.mark.parametrize("reply", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_malformed_reply_is_a_credentials_error(service, content_of, load, kind, reply) -> None:
    service.answers = lambda method, path: good() if path == "/subject" else reply
    token = load(content_of(kind))
    error = refused(token)
    asked = len(service.seen)
    assert "127.0.0.1" in str(error) or "expired" in str(error)
    assert refused(token) is error
    assert len(service.seen) == asked


@pytest.mark.parametrize("reply", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_reply_of_the_metadata_server_is_a_credentials_error(
    service, metadata, reply
) -> None:
    service.answers = on_metadata(reply)
    token = load_token(
        credentials_file=None, by_default=True, proxies={}, ca_bundle=None, term=term
    )
    refused(token, (CredentialsError, NoAnswerError))


@pytest.mark.parametrize("reply", MALFORMED.values(), ids=MALFORMED)
def test_no_thread_sends_a_malformed_token(service, connection, emulator, reply) -> None:
    service.answers = lambda method, path: reply
    store = connection("user").store(DEMO_STORE)
    seen = []
    run_workers(range(32), lambda _: seen.append(store.probe(MISSING)), parallelism=16)
    assert {one.presence for one in seen} == {Presence.UNKNOWN}
    assert not any(SECRET in one.detail for one in seen)
    assert store.delete(MISSING).kind is ReplyKind.UNAUTHENTICATED
    assert emulator.requests() == []


@pytest.mark.parametrize(
    "body", [SECRET, "hush_hush", '{"error": "hush_hush"}', '{"error": []}', ""]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_is_told_by_its_status_and_not_quoted(
    service, content_of, load, kind, body
) -> None:
    for status in (400, 401, 403, 404, 302):
        service.answers = lambda method, path, status=status: Reply(body.encode(), status)
        error = refused(load(content_of(kind)))
        assert f"HTTP {status}" in str(error)
        assert "hush" not in str(error)
        assert error.hint


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_of_oauth_is_shown(service, content_of, load, kind) -> None:
    body = json.dumps({"error": "invalid_grant", "error_description": SECRET}).encode()
    service.answers = lambda method, path: Reply(body, 400) if path == "/token" else good()
    assert "(invalid_grant)" in str(refused(load(content_of(kind))))


@pytest.mark.parametrize("kind", KINDS)
def test_a_redirect_of_a_token_service_is_not_followed(
    service, content_of, load, kind, scripted
) -> None:
    headers = {"Location": f"{scripted.url}/token", "Content-Length": "0"}
    for status in (301, 302, 303, 307, 308):
        service.answers = lambda method, path, status=status: Reply(b"", status, headers)
        assert "redirect" in str(refused(load(content_of(kind))))
    assert scripted.seen == []


@pytest.mark.parametrize("scheme", ["http", "ftp"])
@pytest.mark.parametrize("kind", ["service account", "workforce", "file"])
def test_no_secret_leaves_this_machine_in_clear(service, content_of, load, kind, scheme) -> None:
    content = content_of(kind)
    name = "token_url" if "token_url" in content else "token_uri"
    content[name] = f"{scheme}://token.example/token"
    token = load(content, {"http": service.url, "all": service.url})
    assert f"over {scheme}" in str(refused(token))
    assert service.seen == []


def endless(piece: bytes) -> Iterator[bytes]:
    return itertools.repeat(piece)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("kind", KINDS)
def test_a_reply_without_end_ends(service, content_of, load, kind, status) -> None:
    service.answers = lambda method, path: Reply(endless(b" " * 65536), status)
    assert "too long" in str(refused(load(content_of(kind))))


def test_a_reply_byte_by_byte_ends(service, content_of, load, monkeypatch) -> None:
    monkeypatch.setattr(credentials, "_TOKEN_TIMEOUT", 0.3)
    service.answers = lambda method, path: Reply((b" " for _ in range(200)), pause=0.01)
    token = load(content_of("user"))
    error = refused(token)
    assert "within 0.3 s" in str(error)
    assert refused(token) is error


def test_a_subject_token_that_nobody_writes_ends(service, load, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(credentials, "_TOKEN_TIMEOUT", 0.3)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    token = load(external(service.url, {"file": str(pipe)}))
    assert "within 0.3 s" in str(refused(token))
    os.close(os.open(pipe, os.O_WRONLY))  # lets the thread end


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_service_out_of_reach_is_named(service, content_of, load, kind) -> None:
    closed = content_of(kind)
    name = "token_url" if "token_url" in closed else "token_uri"
    closed[name] = "http://127.0.0.1:9/token"
    service.answers = lambda method, path: Reply(b"busy", 503)
    error = refused(load(closed), NoAnswerError)
    assert "127.0.0.1" in error.hint


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("kind", ["file", "url"])
def test_a_token_service_that_is_busy_is_asked_again(service, connection, kind, status) -> None:
    replies = iter([Reply(b"busy", status)])
    service.answers = lambda method, path: next(replies, good())
    assert connection(kind).store(DEMO_STORE).probe(MISSING) == ABSENT


@pytest.mark.parametrize(
    "content",
    [None, b"", b"\xff\xfe" + SECRET.encode(), f"{SECRET}\r\n".encode()],
    ids=["missing", "empty", "no text", "a line end"],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_subject_token_in_a_file_that_is_none(service, load, tmp_path, content, form) -> None:
    service.answers = lambda method, path: Reply(b'{"error": "invalid_grant"}', 400)
    path = tmp_path / "subject"
    if content is not None:
        path.write_bytes(content)
    source: dict[str, Any] = {"file": str(path)}
    if form == "json":
        source["format"] = {"type": "json", "subject_token_field_name": "token"}
    assert "credential_source" in refused(load(external(service.url, source))).hint


@pytest.mark.parametrize(
    "body", [b"[]", b"5", b'"x"', b'{"token": 5}', b'{"a":' * 100_000, b"\xff"]
)
def test_a_subject_token_of_a_url_that_is_none(service, load, body) -> None:
    no = Reply(b'{"error": "invalid_grant"}', 400)
    service.answers = lambda method, path: Reply(body) if path == "/subject" else no
    shape = {"type": "json", "subject_token_field_name": "token"}
    refused(load(external(service.url, {"url": f"{service.url}/subject", "format": shape})))


@pytest.fixture
def executable(service, load, monkeypatch) -> Callable[[str], SharedToken]:
    """Credentials whose subject token a program in Python prints."""
    monkeypatch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")

    def credentials_of(command: str) -> SharedToken:
        return load(
            external(service.url, {"executable": {"command": command, "timeout_millis": 5000}})
        )

    return credentials_of


def python(program: str) -> str:
    return shlex.join([sys.executable, "-c", program])


def printing(content: object) -> str:
    return python(f"print({json.dumps(content)!r})")


WHOLE = {
    "version": 1,
    "success": True,
    "token_type": "urn:ietf:params:oauth:token-type:jwt",
    "id_token": SECRET,
}


def test_an_executable_gives_a_subject_token(executable, service) -> None:
    assert executable(printing(WHOLE)).headers() == {"authorization": f"Bearer {SECRET}-good"}


@pytest.mark.parametrize(
    "command",
    [
        "/nonexistent/program",
        "/",
        '"',
        python(f"import sys; print('{SECRET}'); sys.exit(3)"),
        python(""),
        python(f"print('{SECRET}')"),
        python("import sys; sys.stdout.buffer.write(b'\\xff')"),
        printing([SECRET]),
        printing(WHOLE | {"success": False, "code": SECRET, "message": SECRET}),
        printing(WHOLE | {"version": SECRET}),
        printing(WHOLE | {"expiration_time": SECRET}),
        printing(WHOLE | {"token_type": [SECRET]}),
        printing({name: WHOLE[name] for name in WHOLE if name != "id_token"}),
        python("print('[' * 100000)"),
    ],
)
def test_an_executable_that_fails_is_a_credentials_error(executable, service, command) -> None:
    error = refused(executable(command))
    assert "executable" in error.hint
    assert service.seen == []


def test_an_executable_that_is_not_allowed_is_not_run(executable, monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES")
    trace = tmp_path / "trace"
    error = refused(executable(f"touch {trace}"))
    assert "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES" in error.hint
    assert not trace.exists()


@pytest.mark.slow
def test_an_executable_that_hangs_ends(executable) -> None:
    assert "TimeoutExpired" in str(refused(executable("sleep 60")))


def test_a_key_of_another_kind_or_cut_short(service, load, connect, write, key) -> None:
    other = pem_of(ec.generate_private_key(ec.SECP256R1()))
    for bad in (other, key[:200], key.replace("A", "B", 40), "", SECRET, 5, None, [key], {}):
        with pytest.raises(CredentialsError) as caught:
            load(service_account(service.url, bad)).headers()
        assert "BEGIN" not in "".join(traceback.format_exception(caught.value))
    assert service.seen == []


@pytest.mark.parametrize(("kind", "wrong"), some(itertools.product(KINDS, OF_ANOTHER_TYPE), each=5))
def test_a_credentials_file_with_a_member_of_another_type(
    service, content_of, load, kind, wrong
) -> None:
    service.answers = lambda method, path: Reply(b'{"error": "invalid_client"}', 400)
    content = content_of(kind)
    for name in [*content, "quota_project_id", "universe_domain", "client_id"]:
        shown = ""
        try:
            load(content | {name: wrong}).headers()
        except CredentialsError as error:
            shown = "".join(traceback.format_exception(error))
        assert SECRET not in shown


def test_a_project_that_no_header_can_carry(service, content_of, load) -> None:
    for wrong in ("a\r\nX-Other: 1", "\u4e2d", 5):
        refused(load(content_of("user") | {"quota_project_id": wrong}))


@pytest.mark.parametrize("text", [b"[" * 100_000, b"\xff", b"5", b"null"])
def test_a_file_that_is_no_credentials_file(tmp_path, connect, text) -> None:
    path = tmp_path / "credentials.json"
    path.write_bytes(text)
    with pytest.raises(CredentialsError, match=r"credentials\.json"):
        connect("http://127.0.0.1:1", credentials_file=str(path))


@pytest.mark.parametrize("path", ["/dev/zero", "/"])
def test_a_credentials_file_that_is_no_file(connect, path) -> None:
    with pytest.raises(CredentialsError):
        connect("http://127.0.0.1:1", credentials_file=path)


@pytest.mark.parametrize("text", [f"{SECRET}\n", f"{SECRET}\udcff", "\0"])
def test_a_password_that_no_header_can_carry_is_not_shown(text) -> None:
    for username, password in (("reader", text), (text, "password")):
        with pytest.raises(CredentialsError) as caught:
            BasicIdentity(username, password)
        assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_reaches_a_log(service, content_of, load, kind, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    token = load(content_of(kind))
    token.headers()
    service.answers = lambda method, path: Reply(SECRET.encode(), 400)
    token.reject(token.headers())
    refused(token)
    assert SECRET not in caplog.text


def test_all_who_wait_for_a_token_get_the_one_answer(service, write, content_of) -> None:
    """One after the other would ask the silent service again, each for as long."""
    service.answers = lambda method, path: Reply((b" " for _ in range(200)), pause=0.05)
    short = Stopping(threading.Event())
    token = load_token(
        by_default=True,
        credentials_file=write(content_of("user")),
        proxies={},
        ca_bundle=None,
        term=lambda: Term.of_small(Bounds(whole=0.5), short),
    )
    together = threading.Barrier(16)

    def ask(_: int) -> None:
        together.wait()
        with pytest.raises(NoAnswerError):
            token.headers()

    run_workers(range(16), ask, parallelism=16)
    assert len(service.seen) == 1


def test_a_run_that_stopped_asks_for_no_token(service, write, content_of) -> None:
    stop = threading.Event()
    stop.set()
    stopping = Stopping(stop)
    assert stopping.since is not None
    token = load_token(
        by_default=True,
        credentials_file=write(content_of("user")),
        proxies={},
        ca_bundle=None,
        term=lambda: Term.of_small(Bounds(after_stop=0.0), stopping),
    )
    with pytest.raises(NoAnswerError):
        token.headers()
    assert service.seen == []
