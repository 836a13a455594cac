from __future__ import annotations

import gc
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from reconciler.emulator import (
    DEMO_STORE,
    EmulatorSettings,
    running_emulator,
)
from reconciler.model.address import InstanceAddress, SeriesAddress

SERIES = SeriesAddress("1.2", "1.2.3")


def test_of_many_deletes_of_one_instance_exactly_one_succeeds(site):
    site.emulator.ingest_synthetic(DEMO_STORE, SERIES, (f"1.2.3.{n}" for n in range(20)))

    def delete(number):
        return requests.delete(site.web(InstanceAddress(*SERIES, f"1.2.3.{number}"))).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(delete, [n for n in range(20) for _ in range(4)]))
    assert (statuses.count(200), statuses.count(404)) == (20, 60)
    assert site.emulator.instances(DEMO_STORE) == {site.ct}


def test_of_many_stores_of_one_instance_exactly_one_succeeds(site):
    site.delete(site.ct)
    headers = {"Content-Type": "application/dicom"}

    def store(_):
        return requests.post(site.web("/studies"), data=site.ct_bytes, headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(store, range(16)))
    assert (statuses.count(200), statuses.count(409)) == (1, 15)
    assert site.emulator.instances(DEMO_STORE) == {site.ct}


def test_reads_searches_stores_and_deletes_at_once_leave_index_and_files_in_step(site, tmp_path):
    site.emulator.ingest_synthetic(DEMO_STORE, SERIES, (f"1.2.3.{n}" for n in range(60)))

    def work(number):
        instance = InstanceAddress(*SERIES, f"1.2.3.{number}")
        accept = {"Accept": "application/dicom; transfer-syntax=*"}
        with requests.Session() as session:
            body = session.get(site.web(instance), headers=accept).content
            session.delete(site.web(instance))
            gone = session.get(site.web(instance)).status_code
            listed = session.get(site.web("/instances?limit=5000")).text
            if number % 2:
                headers = {"Content-Type": "application/dicom"}
                session.post(site.web("/studies"), data=body, headers=headers)
            return gone, f'"{instance.instance_uid}"' in listed

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(work, range(60)))
    assert seen == {(404, False)}
    left = site.emulator.instances(DEMO_STORE)
    expected = {InstanceAddress(*SERIES, f"1.2.3.{n}") for n in range(1, 60, 2)}
    assert left == expected | {site.ct}
    files = {path.stem for path in (tmp_path / "data" / "files").rglob("*.dcm")}
    assert files == {instance.instance_uid for instance in left}


def test_connections_are_kept_alive_and_answer_without_delay(site):
    times = []
    for _ in range(20):
        times.append(site.session.get(site.url()).elapsed.total_seconds())
    # Nagle's algorithm and delayed acknowledgements cost each one 0.04 s.
    assert min(times[10:]) < 0.03


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate for 127.0.0.1, and a server's context that shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    key_bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(key_bytes + signed.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return path, context


def test_it_serves_tls(start, certificate):
    path, context = certificate
    site = start(ssl_context=context)
    assert site.emulator.url.startswith("https://127.0.0.1:")
    answer = requests.get(site.url(), verify=str(path))
    assert answer.json() == {"name": str(DEMO_STORE)}


def test_a_client_that_speaks_no_http_harms_nobody(site):
    port = int(site.emulator.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"\x00\x01nonsense\r\n\r\n")
    assert site.session.get(site.url()).status_code == 200


def test_connections_that_arrive_while_it_stops_are_all_closed(tmp_path, caplog):
    """Without `_stop_accepting`, some rounds leave a connection to the collector."""
    for number in range(20):
        stopped = threading.Event()
        settings = EmulatorSettings(data_dir=tmp_path / str(number))
        with ThreadPoolExecutor(4) as pool:
            with running_emulator(settings) as emulator:
                for _ in range(4):
                    pool.submit(keep_connecting, emulator.url, stopped)
                time.sleep(0.02)
            stopped.set()
    gc.collect()
    assert "incoming connection" not in caplog.text


def keep_connecting(url, stopped):
    host, port = url.removeprefix("http://").split(":")
    while not stopped.is_set():
        with suppress(OSError):
            socket.create_connection((host, int(port)), timeout=0.2).close()
