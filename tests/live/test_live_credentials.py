"""Tokens: fetched once, shared, refreshed when they must be, and sent to one origin only."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from reconciler.emulator import (
    DEMO_STORE,
    Emulator,
    EmulatorSettings,
    FaultKind,
    FaultRule,
    Faults,
    running_emulator,
)
from reconciler.errors import CredentialsError
from reconciler.live.connection import Connection
from reconciler.live.http.bounds import Bounds, Stopping, Term
from reconciler.live.http.credentials import load_token
from reconciler.live.workers import run_workers
from reconciler.model.address import InstanceAddress
from reconciler.model.live import ABSENT, Presence
from reconciler.model.reply import ReplyKind

from ..faulty_server import (
    Faulty,
    continues,
    running_faulty_server,
    silence,
    slow_body,
    slow_head,
    white_space,
)

MISSING = InstanceAddress("1.2", "1.2.1", "1.2.1.1")


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Emulator]:
    """A store that answers 401 without a token of its own."""
    settings = EmulatorSettings(tmp_path / "store", require_token=True)
    with running_emulator(settings) as emulator:
        yield emulator


@pytest.fixture
def service_account(tmp_path: Path, private_key: str) -> Callable[[str], str]:
    """Write the file of a service account whose token service is at a URL."""

    def write(token_uri: str) -> str:
        path = tmp_path / "service-account.json"
        content = {
            "type": "service_account",
            "project_id": "demo-project",
            "private_key_id": "1",
            "private_key": private_key,
            "client_email": "reconciler@demo-project.iam.gserviceaccount.com",
            "token_uri": token_uri,
        }
        path.write_text(json.dumps(content))
        return str(path)

    return write


@pytest.fixture
def signed(guarded, connect, service_account) -> Connection:
    return connect(
        guarded.url, credentials_file=service_account(f"{guarded.url}/token"), parallelism=64
    )


def token_requests(emulator: Emulator) -> int:
    return sum(record.path == "/token" for record in emulator.requests())


def credentials_of(connection: Connection):
    return connection._channel.identity._source.credentials


def test_a_service_account_signs_the_requests(guarded, signed) -> None:
    signed.store(DEMO_STORE).preflight(deleting=True)
    assert signed.store(DEMO_STORE).probe(MISSING) == ABSENT
    assert token_requests(guarded) == 1
    assert all(record.authorized for record in guarded.requests() if record.path != "/token")


def test_64_threads_fetch_one_token(guarded, signed) -> None:
    store = signed.store(DEMO_STORE)
    seen = []
    run_workers(range(256), lambda _: seen.append(store.probe(MISSING)), parallelism=64)
    assert seen == [ABSENT] * 256
    assert token_requests(guarded) == 1


def test_64_threads_whose_token_is_revoked_fetch_one_more(guarded, signed) -> None:
    store = signed.store(DEMO_STORE)
    store.probe(MISSING)
    guarded.revoke_tokens()
    seen = []
    run_workers(range(256), lambda _: seen.append(store.probe(MISSING)), parallelism=64)
    assert seen == [ABSENT] * 256
    assert token_requests(guarded) == 2


def test_an_expired_token_is_replaced_before_it_is_sent(guarded, signed) -> None:
    store = signed.store(DEMO_STORE)
    store.probe(MISSING)
    credentials_of(signed).expiry = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=1)
    assert store.probe(MISSING) == ABSENT
    assert token_requests(guarded) == 2
    assert 401 not in {record.status for record in guarded.requests()}


def test_a_401_costs_one_refresh_and_one_repetition(guarded, signed) -> None:
    store = signed.store(DEMO_STORE)
    store.probe(MISSING)
    guarded.set_faults(Faults(rules=(FaultRule(FaultKind.STATUS, status=401, times=1),)))
    assert store.probe(MISSING) == ABSENT
    assert token_requests(guarded) == 2


def test_a_401_that_stays_is_an_error_and_ends(guarded, signed) -> None:
    guarded.set_faults(Faults(rules=(FaultRule(FaultKind.STATUS, status=401),)))
    with pytest.raises(CredentialsError, match="does not accept the credentials"):
        signed.store(DEMO_STORE).preflight(deleting=False)
    assert token_requests(guarded) == 2
    assert signed.store(DEMO_STORE).probe(MISSING).presence is Presence.UNKNOWN


def test_a_delete_is_not_repeated_on_401_but_the_next_has_a_fresh_token(guarded, signed) -> None:
    store = signed.store(DEMO_STORE)
    store.probe(MISSING)
    guarded.revoke_tokens()
    guarded.clear_requests()
    assert store.delete(MISSING).kind is ReplyKind.UNAUTHENTICATED
    assert [record.method for record in guarded.requests()] == ["DELETE"]
    assert store.delete(MISSING).kind is ReplyKind.NOT_FOUND


@pytest.fixture
def refused(scripted, guarded, connect, service_account) -> Connection:
    scripted.replies["POST", "/token"] = (
        400,
        {"Content-Type": "application/json"},
        b'{"error": "invalid_grant", "error_description": "Account disabled: Jane Doe"}',
    )
    return connect(guarded.url, credentials_file=service_account(f"{scripted.url}/token"))


def test_a_revoked_key_is_asked_about_once_and_nothing_is_sent(guarded, refused, scripted) -> None:
    store = refused.store(DEMO_STORE)
    with pytest.raises(CredentialsError, match=r"\(invalid_grant\)") as caught:
        store.preflight(deleting=False)
    assert caught.value.hint is not None
    assert "Jane" not in str(caught.value)
    seen = []
    run_workers(range(20), lambda _: seen.append(store.probe(MISSING)), parallelism=10)
    assert {observation.presence for observation in seen} == {Presence.UNKNOWN}
    reply = store.delete(MISSING)
    assert (reply.kind, reply.status) == (ReplyKind.UNAUTHENTICATED, None)
    assert "nothing was sent" in reply.detail
    assert len(scripted.seen) == 1
    assert guarded.requests() == []


def test_a_token_service_out_of_reach_is_no_verdict(guarded, connect, service_account) -> None:
    connection = connect(guarded.url, credentials_file=service_account("http://127.0.0.1:9/token"))
    store = connection.store(DEMO_STORE)
    reply = store.delete(MISSING)
    assert reply.kind is ReplyKind.THROTTLED
    assert "nothing was sent" in reply.detail
    assert guarded.requests() == []


@pytest.mark.parametrize("stops", [True, False])
@pytest.mark.parametrize("speech", [silence, slow_head, slow_body, continues, white_space])
def test_a_token_service_whose_answer_has_no_end_is_no_verdict(
    guarded, connect, service_account, speech, stops
) -> None:
    stop = threading.Event()
    # Where the run stops, that must come before the answer can be too long.
    pace = 1.0 if stops else 0.05
    is_long = speech is white_space and not stops
    faulty = Faulty(lambda method, path: path == "/token", speech, 0.001 if is_long else pace)
    # And it must be too long before it can be too slow.
    short = Bounds(whole=20.0 if is_long else 0.4, json_size=1024**2)
    bounds = Bounds(in_flight=0.2, after_stop=0.2) if stops else short
    with running_faulty_server(guarded.url, faulty) as url:
        file = service_account(f"{url}/token")
        store = connect(guarded.url, credentials_file=file, bounds=bounds, stop=stop).store(
            DEMO_STORE
        )
        if stops:
            threading.Thread(target=lambda: faulty.struck.wait() and stop.set()).start()
        began = time.monotonic()
        reply = store.delete(MISSING)
        assert time.monotonic() - began < 25
    # What is too long is no reply of a token service; what is too slow may be one another time.
    assert reply.kind is (ReplyKind.UNAUTHENTICATED if is_long else ReplyKind.THROTTLED)
    assert "nothing was sent" in reply.detail
    assert not any(one.method == "DELETE" for one in guarded.requests())


def test_loopback_is_anonymous_unless_a_file_is_given(emulator, connect, monkeypatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent.json")
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:9")
    connect(emulator.url).store(DEMO_STORE).probe(MISSING)
    assert [record.authorized for record in emulator.requests()] == [False]


def test_away_from_loopback_credentials_are_needed(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(CredentialsError, match="no Google Cloud credentials") as caught:
        load_token(
            credentials_file=None,
            by_default=True,
            proxies={},
            ca_bundle=None,
            term=lambda: Term.of_small(Bounds(), Stopping(threading.Event())),
        )
    assert "gcloud auth application-default login" in caught.value.hint


@pytest.mark.parametrize(
    "content", ["", "secret", "{}", '{"type": "service_account"}', '{"type": "x"}', "[]", None]
)
def test_a_bad_credentials_file_is_named_and_not_quoted(connect, tmp_path, content) -> None:
    path = tmp_path / "credentials.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CredentialsError, match=r"credentials\.json") as caught:
        connect("http://127.0.0.1:1", credentials_file=str(path))
    assert "secret" not in str(caught.value)


def test_a_token_does_not_follow_a_redirect(guarded, signed, scripted) -> None:
    guarded.set_faults(Faults(rules=(FaultRule(FaultKind.REDIRECT, location=scripted.url),)))
    store = signed.store(DEMO_STORE)
    assert store.probe(MISSING).detail == "HTTP 302, a redirect"
    assert store.delete(MISSING).kind is ReplyKind.UNEXPECTED
    assert scripted.seen == []


def test_a_netrc_and_proxies_of_the_environment_change_nothing(
    guarded, signed, scripted, monkeypatch, tmp_path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login evil password evil\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", scripted.url)
    monkeypatch.setenv("http_proxy", scripted.url)
    assert signed.store(DEMO_STORE).probe(MISSING) == ABSENT
    assert scripted.seen == []


def test_no_token_reaches_a_log(guarded, signed, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    signed.store(DEMO_STORE).probe(MISSING)
    token = credentials_of(signed).token
    assert token is not None
    assert token not in caplog.text
