"""A real rsyslog of Debian's packages, which takes messages over TLS on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SECONDS_TO_START = 20.0
FIELDS = "%pri%|%timestamp:::date-rfc3339%|%hostname%|%app-name%|%procid%|%msgid%|%msg%\\n"
CONFIGURATION = """\
global(
  workDirectory="{folder}"
  maxMessageSize="64k"
  defaultNetstreamDriver="ossl"
  defaultNetstreamDriverCAFile="{ca}"
  defaultNetstreamDriverCertFile="{certificate}"
  defaultNetstreamDriverKeyFile="{key}"
)
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="{mode}")
template(name="fields" type="string" string="{fields}")
input(type="imtcp" address="127.0.0.1" port="{port}")
action(type="omfile" file="{received}" template="fields")
"""


def require_rsyslog() -> str:
    """Where rsyslogd is; without it the tests are left out, though never in CI."""
    binary = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin")
    drivers = list(Path("/usr/lib").glob("*/rsyslog/lmnsd_ossl.so"))
    if binary is not None and drivers:
        return binary
    missing = "Debian's packages rsyslog and rsyslog-openssl are not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@dataclass(frozen=True)
class Authority:
    """Who signs certificates in these tests; ``file`` is its own."""

    file: Path
    _key: ec.EllipticCurvePrivateKey
    _name: x509.Name

    @classmethod
    def create(cls, folder: Path, name: str) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        authority = cls(folder / f"{name}.pem", key, own)
        certificate = (
            authority._builder(own, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=True,
                    crl_sign=True,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .sign(key, hashes.SHA256())
        )
        authority.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return authority

    def issue(self, folder: Path, name: str) -> tuple[Path, Path]:
        """A certificate for a name or an address, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternative: x509.GeneralName = x509.DNSName(name)
        if name[0].isdigit():
            alternative = x509.IPAddress(ip_address(name))
        certificate = (
            self._builder(subject, key)
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        files = folder / f"{name}.crt", folder / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(identifier, critical=False)
            .add_extension(issuer, critical=False)
        )


@dataclass(frozen=True)
class Message:
    """What rsyslog made of one message."""

    pri: str
    time: str
    hostname: str
    app_name: str
    process_id: str
    msgid: str
    text: str


@dataclass
class Rsyslog:
    """A receiver that can be started, ended and started again, on one port."""

    folder: Path
    authority: Authority
    name: str = "127.0.0.1"
    mode: str = "anon"
    port: int = 0

    def __post_init__(self) -> None:
        self.binary = require_rsyslog()
        self.port = self.port or free_port()
        self.received = self.folder / "received"
        certificate, key = self.authority.issue(self.folder, self.name)
        self._settings = self.folder / "rsyslog.conf"
        self._settings.write_text(
            CONFIGURATION.format(
                folder=self.folder,
                ca=self.authority.file,
                certificate=certificate,
                key=key,
                mode=self.mode,
                port=self.port,
                received=self.received,
                fields=FIELDS,
            )
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it until the block ends."""
        pid = self.folder / "pid"
        arguments = [self.binary, "-n", "-f", str(self._settings), "-i", str(pid)]
        log = (self.folder / "log").open("ab")
        with log, subprocess.Popen(arguments, stdout=log, stderr=log) as process:
            try:
                self._wait(process)
                yield
            finally:
                process.terminate()
                process.wait()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < end and process.poll() is None:
            if is_listening(self.port):
                return
            time.sleep(0.05)
        pytest.fail(f"rsyslog did not start: {(self.folder / 'log').read_text()}")

    def messages(self, count: int) -> list[Message]:
        """What it wrote, after waiting for so many messages."""
        end = time.monotonic() + SECONDS_TO_START
        lines: list[str] = []
        while time.monotonic() < end and len(lines) < count:
            time.sleep(0.05)
            written = self.received.read_text() if self.received.exists() else ""
            lines = written[: written.rfind("\n") + 1].splitlines()
        return [Message(*line.split("|", 6)) for line in lines]


def is_listening(port: int) -> bool:
    """Whether somebody listens on loopback, by the kernel's word (proc_net_tcp, state 0A).

    A connection that ends before its TLS handshake can spoil a later one of rsyslog's thread.
    """
    sockets = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    return any(line.split()[1:4:2] == [f"0100007F:{port:04X}", "0A"] for line in sockets)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path, "authority")


MakeRsyslog = Callable[..., Rsyslog]


@pytest.fixture
def make_rsyslog(tmp_path: Path, authority: Authority) -> MakeRsyslog:
    """Receivers, each with a folder of its own."""

    def make(**options: object) -> Rsyslog:
        folder = tmp_path / f"rsyslog-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return Rsyslog(folder, authority, **options)  # type: ignore[arg-type] - a test's options

    return make
