"""TLS: verified, and with one context for all connections."""

import ssl
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from reconciler.emulator import DEMO_STORE, EmulatorSettings, running_emulator
from reconciler.errors import EndpointError, PreflightError
from reconciler.live.http.adapter import proxies_for
from reconciler.live.workers import run_workers
from reconciler.model.address import InstanceAddress
from reconciler.model.live import ABSENT
from reconciler.model.reply import ReplyKind

MISSING = InstanceAddress("1.2", "1.2.1", "1.2.1.1")


def make_certificate(
    folder: Path,
    host: str,
    *,
    dns_name: str | None = None,
    valid: tuple[timedelta, timedelta] = (timedelta(days=-1), timedelta(days=1)),
) -> tuple[Path, Path]:
    """A self-signed certificate for an IP address, or for a name instead, and its key.

    It is ``valid`` from the one to the other, counted from now.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    subject = x509.DNSName(dns_name) if dns_name else x509.IPAddress(ip_address(host))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + valid[0])
        .not_valid_after(now + valid[1])
        .add_extension(x509.SubjectAlternativeName([subject]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, key_pem


def secure_settings(folder: Path, host: str) -> EmulatorSettings:
    pem, key = make_certificate(folder, host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return EmulatorSettings(folder / "store", ssl_context=context)


@pytest.fixture
def secure(tmp_path, connect):
    """A TLS server for a host, and a connection that trusts the given authority."""

    @contextmanager
    def running(host: str, *, trusted: bool):
        with running_emulator(secure_settings(tmp_path, host)) as emulator:
            bundle = str(tmp_path / "certificate.pem") if trusted else None
            # Closed before the server, which otherwise ends amid the TLS farewell.
            with connect(emulator.url, ca_bundle=bundle) as connection:
                yield emulator, connection.store(DEMO_STORE)

    return running


def test_a_given_authority_is_trusted_by_every_thread(secure) -> None:
    with secure("127.0.0.1", trusted=True) as (_, store):
        seen = []
        run_workers(range(64), lambda _: seen.append(store.probe(MISSING)), parallelism=16)
        assert seen == [ABSENT] * 64


def test_an_unknown_authority_is_not_trusted_and_nothing_is_sent(secure) -> None:
    with secure("127.0.0.1", trusted=False) as (emulator, store):
        with pytest.raises(PreflightError, match="not trusted") as caught:
            store.preflight(deleting=False)
        assert "CA bundle" in caught.value.hint
        assert store.delete(MISSING).kind is ReplyKind.THROTTLED
        assert emulator.requests() == []


def test_a_certificate_for_another_host_is_not_trusted(secure) -> None:
    with secure("127.0.0.2", trusted=True) as (emulator, store):
        assert "not trusted" in store.probe(MISSING).detail
        assert emulator.requests() == []


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bad_ca_bundle_is_named(tmp_path, connect, content) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(EndpointError, match=r"bundle\.pem"):
        connect("https://127.0.0.1:1", ca_bundle=str(path))


@pytest.mark.parametrize(
    ("proxies", "chosen"),
    [
        ({}, {}),
        ({"https": "http://proxy:3128"}, {"https": "http://proxy:3128"}),
        ({"all": "http://proxy:3128"}, {"https": "http://proxy:3128"}),
        ({"http": "http://proxy:3128"}, {}),
        ({"https": "http://proxy:3128", "no": "googleapis.com"}, {}),
        ({"https": "http://proxy:3128", "no": "*"}, {}),
        ({"https": "http://p:1", "no": "other.example"}, {"https": "http://p:1"}),
    ],
)
def test_the_proxy_is_chosen_once_from_what_is_handed_in(proxies, chosen) -> None:
    assert proxies_for("https://healthcare.googleapis.com", proxies) == chosen


def test_loopback_never_goes_through_a_proxy(scripted, emulator, connect) -> None:
    connection = connect(emulator.url, proxies={"http": scripted.url, "all": scripted.url})
    assert connection.store(DEMO_STORE).probe(MISSING) == ABSENT
    assert scripted.seen == []
