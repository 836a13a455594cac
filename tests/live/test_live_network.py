"""What stands between this machine and a store is told by its kind, with what to do about it."""

from __future__ import annotations

import dataclasses
import json
import socket
import socketserver
import ssl
import subprocess
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from requests import adapters
from requests.exceptions import InvalidSchema

from reconciler.emulator import DEMO_STORE, EmulatorSettings, running_emulator
from reconciler.errors import CredentialsError, EndpointError, PreflightError
from reconciler.live.http.adapter import proxies_for
from reconciler.live.http.bounds import Bounds
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress, Provider
from reconciler.model.live import ABSENT
from reconciler.model.reply import ReplyKind

from ..serving import QuietHandler, serving, serving_http
from .test_live_tls import make_certificate
from .token_service import external, running_token_service

MISSING = InstanceAddress("1.2", "1.2.1", "1.2.1.1")
AWAY = "https://store.example"
PASSWORD = "hush-proxy"
SOON = Bounds(whole=0.5, window=0.5)


def refused(store: DicomStore) -> PreflightError:
    with pytest.raises(PreflightError) as caught:
        store.preflight(deleting=False)
    assert caught.value.hint
    assert PASSWORD not in str(caught.value) + caught.value.hint
    return caught.value


@pytest.fixture
def behind(connect) -> Callable[[str], DicomStore]:
    """An Orthanc that only a proxy leads to; it needs no credentials."""

    def store(proxy: str) -> DicomStore:
        connection = connect(AWAY, provider=Provider.ORTHANC, proxies={"https": proxy})
        return connection.store(dataclasses.replace(DEMO_STORE, provider=Provider.ORTHANC))

    return store


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that knows no name, so that no test asks one outside of this machine."""
    true = socket.getaddrinfo

    def resolve(host: str, *arguments: object, **options: object) -> object:
        if host != "127.0.0.1":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return true(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@contextmanager
def proxy_that_answers(status: int) -> Iterator[str]:
    class Handler(QuietHandler):
        def do_CONNECT(self) -> None:  # noqa: N802 - the name is http.server's
            self.close_connection = True
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with serving_http(Handler) as url:
        yield url


@pytest.mark.parametrize(
    ("status", "told", "hint"),
    [
        (407, "user name and a password", "USER:PASSWORD"),
        (403, "does not connect", "CONNECT"),
        (502, "does not connect", "CONNECT"),
    ],
)
def test_a_proxy_that_opens_no_tunnel(behind, status, told, hint) -> None:
    with proxy_that_answers(status) as url:
        error = refused(behind(url.replace("//", f"//reader:{PASSWORD}@")))
        assert told in str(error)
        assert "nothing was sent" in str(error)
        assert hint in error.hint


def test_a_proxy_that_is_not_there(behind) -> None:
    error = refused(behind(f"http://reader:{PASSWORD}@127.0.0.1:9"))
    assert "no connection to the proxy" in str(error)
    assert "HTTPS_PROXY" in error.hint


def test_a_proxy_whose_name_is_unknown(behind, names) -> None:
    error = refused(behind(f"http://reader:{PASSWORD}@proxy.example:3128"))
    assert "name of the proxy is unknown" in str(error)
    assert "HTTPS_PROXY" in error.hint


@pytest.mark.parametrize(
    "address",
    [
        "http://",
        "ftp://127.0.0.1:9",
        "http://127.0.0.1:port",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://[::1",
        f"http://reader:{PASSWORD}@",
        f"reader:{PASSWORD}",
        "http://pro xy:3128",
    ],
)
def test_a_proxy_whose_address_is_not_valid(behind, address) -> None:
    with pytest.raises(EndpointError, match="address of the proxy") as caught:
        behind(address)
    assert "http://HOST:PORT" in caught.value.hint
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_a_socks_proxy_without_its_package(behind, monkeypatch) -> None:
    def missing(*arguments: object, **options: object) -> None:
        raise InvalidSchema("Missing dependencies for SOCKS support.")  # as `requests` has it

    monkeypatch.setattr(adapters, "SOCKSProxyManager", missing)
    assert "PySocks" in str(refused(behind("socks5://127.0.0.1:9")))


def test_a_host_whose_name_is_unknown(connect, names) -> None:
    connection = connect(AWAY, provider=Provider.ORTHANC)
    store = connection.store(dataclasses.replace(DEMO_STORE, provider=Provider.ORTHANC))
    error = refused(store)
    assert "host name is unknown" in str(error)
    assert "DNS" in error.hint


@pytest.mark.parametrize(
    ("no", "host", "is_direct"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.1.2.3/8", "10.9.9.9", True),
        (" example.org , 10.0.0.0/255.0.0.0 ", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "10.example.org", False),
        ("fd00::/8", "[fd00::1]", True),
        ("fd00::/8", "10.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("http://example.org/", "10.1.2.3", False),
        ("", "10.1.2.3", False),
    ],
)
def test_no_proxy_may_name_networks(no, host, is_direct) -> None:
    chosen = proxies_for(f"https://{host}:8043/x", {"https": "http://p:1", "no": no})
    assert chosen == ({} if is_direct else {"https": "http://p:1"})


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "10.0.0.0/", "fd00::/x", "10.0.0.0/8/8"])
def test_a_network_of_no_proxy_that_is_none_is_named(entry) -> None:
    with pytest.raises(EndpointError, match=r"NO_PROXY") as caught:
        proxies_for(AWAY, {"https": "http://p:1", "no": f"localhost,{entry}"})
    assert repr(entry) in str(caught.value)


def server_context(folder: Path, **certificate: object) -> ssl.SSLContext:
    pem, key = make_certificate(folder, "127.0.0.1", **certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return context


@contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[str]:
    """A server with which no handshake succeeds; it lets the client read why."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            plain = self.request.dup()
            with suppress(OSError):
                context.wrap_socket(self.request, server_side=True)
            plain.settimeout(5)
            with plain, suppress(OSError):
                while plain.recv(65536):
                    pass

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with serving(Server(("127.0.0.1", 0), Handler)) as port:
        yield f"https://127.0.0.1:{port}"


@pytest.fixture
def trusting(tmp_path, connect) -> Callable[[str], DicomStore]:
    """A store behind a server whose certificate is trusted."""
    bundle = str(tmp_path / "certificate.pem")
    return lambda url: connect(url, ca_bundle=bundle).store(DEMO_STORE)


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("certificate", "told", "hint"),
    [
        ({"valid": (-2 * DAY, -DAY)}, "it has expired", "renew"),
        ({"valid": (DAY, 2 * DAY)}, "it is not valid yet", "clock"),
        ({"dns_name": "other.example"}, "it is for another host", "host name"),
    ],
)
def test_a_certificate_that_is_not_good_is_told_by_its_fault(
    tmp_path, trusting, certificate, told, hint
) -> None:
    with tls_server(server_context(tmp_path, **certificate)) as url:
        store = trusting(url)
        error = refused(store)
        assert told in str(error)
        assert "after 1 attempt" in str(error)
        assert hint in error.hint
        assert store.delete(MISSING).kind is ReplyKind.THROTTLED


def test_a_server_that_wants_a_client_certificate(tmp_path, trusting) -> None:
    context = server_context(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "certificate.pem")
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        context.maximum_version = version
        with tls_server(context) as url:
            assert "client certificate" in refused(trusting(url)).hint + str(refused(trusting(url)))


def test_a_server_with_other_ciphers(tmp_path, trusting) -> None:
    context = server_context(tmp_path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:@SECLEVEL=0")
    with tls_server(context) as url:
        error = refused(trusting(url))
    assert "TLS" in str(error)
    assert "TLS 1.2" in error.hint


def test_https_to_a_port_without_tls(tmp_path, trusting, emulator) -> None:
    make_certificate(tmp_path, "127.0.0.1")
    error = refused(trusting(emulator.url.replace("http", "https")))
    assert "does not speak TLS" in str(error)
    assert "port" in error.hint


def test_http_to_a_port_with_tls(tmp_path, connect) -> None:
    with tls_server(server_context(tmp_path)) as url:
        store = connect(url.replace("https", "http"), bounds=SOON).store(DEMO_STORE)
        error = refused(store)
    assert "scheme" in error.hint


def test_http_to_a_port_that_answers_in_tls(connect) -> None:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(b"\x15\x03\x01\x00\x02\x02\x46")  # the alert protocol_version

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as port:
        error = refused(connect(f"http://127.0.0.1:{port}").store(DEMO_STORE))
    assert "not HTTP" in str(error)
    assert "https" in error.hint


def test_a_folder_of_authorities_is_trusted_once_it_has_their_hashes(tmp_path, connect) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    context = server_context(tmp_path)
    (folder / "authority.pem").write_bytes((tmp_path / "certificate.pem").read_bytes())
    with running_emulator(EmulatorSettings(tmp_path / "store", ssl_context=context)) as emulator:
        with pytest.raises(EndpointError, match="by its hash") as caught:
            connect(emulator.url, ca_bundle=str(folder))
        assert "openssl rehash" in caught.value.hint
        subprocess.run(["openssl", "rehash", str(folder)], check=True)
        with connect(emulator.url, ca_bundle=str(folder)) as connection:
            assert connection.store(DEMO_STORE).probe(MISSING) == ABSENT


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        (b"", "no certificate in PEM form"),
        (b"no certificate", "no certificate in PEM form"),
        (b"\x30\x82\x01\x0a" + bytes(range(256)), "no certificate in PEM form"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate"),
    ],
)
def test_a_ca_bundle_that_is_none_is_told_by_its_fault(tmp_path, connect, content, told) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EndpointError, match=told) as caught:
        connect("https://127.0.0.1:1", ca_bundle=str(path))
    assert "bundle.pem" in str(caught.value)
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint


@pytest.fixture
def token_at(connect, emulator, tmp_path) -> Callable[..., DicomStore]:
    """A store whose access tokens a service at a URL gives."""

    def store(url: str, **settings: object) -> DicomStore:
        subject, file = tmp_path / "subject", tmp_path / "credentials.json"
        subject.write_text("subject")
        file.write_text(json.dumps(external(url, {"file": str(subject)})))
        return connect(emulator.url, credentials_file=str(file), **settings).store(DEMO_STORE)

    return store


def test_a_token_service_that_is_not_trusted_is_asked_once(tmp_path, token_at) -> None:
    with tls_server(server_context(tmp_path)) as url, pytest.raises(CredentialsError) as caught:
        token_at(url).preflight(deleting=False)
    assert "not trusted" in str(caught.value)
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint


def test_a_token_service_behind_a_proxy_that_wants_a_password(token_at) -> None:
    with proxy_that_answers(407) as url, pytest.raises(CredentialsError) as caught:
        token_at("https://sts.example", proxies={"https": url}).preflight(deleting=False)
    assert "sts.example" in str(caught.value)
    assert "USER:PASSWORD" in caught.value.hint


def test_a_token_service_behind_a_proxy_that_is_none(token_at) -> None:
    store = token_at("https://sts.example", proxies={"https": f"http://reader:{PASSWORD}@"})
    with pytest.raises(CredentialsError, match="address of the proxy"):
        store.preflight(deleting=False)


@contextmanager
def proxy_that_drops(context: ssl.SSLContext, seen: list[bytes]) -> Iterator[str]:
    """Opens the tunnel, reads the request that comes through it, and closes without an answer."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self.request.recv(65536)
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                with context.wrap_socket(self.request, server_side=True) as tunnel:
                    seen.append(tunnel.recv(65536))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with serving(Server(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}"


def test_a_delete_that_left_through_a_proxy_may_have_acted(tmp_path, connect) -> None:
    """urllib3 says of such a reply, too, that the proxy cannot be connected to."""
    pem, key = make_certificate(tmp_path, "127.0.0.1", dns_name="store.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    subject, file = tmp_path / "subject", tmp_path / "credentials.json"
    subject.write_text("token")
    seen: list[bytes] = []
    with running_token_service() as service, proxy_that_drops(context, seen) as proxy:
        file.write_text(json.dumps(external(service.url, {"file": str(subject)})))
        reply = (
            connect(AWAY, credentials_file=str(file), proxies={"https": proxy}, ca_bundle=str(pem))
            .store(DEMO_STORE)
            .delete(MISSING)
        )
    assert [one.partition(b" ")[0] for one in seen] == [b"DELETE"]
    assert (reply.kind, reply.detail) == (ReplyKind.UNCLEAR, "the connection broke")
