"""A store on loopback, connections to it, and DICOM files small enough to make by the dozen."""

from __future__ import annotations

import io
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from reconciler.emulator import DEMO_STORE, Emulator, EmulatorSettings, running_emulator
from reconciler.live.connection import Connection, ConnectionSettings
from reconciler.live.http.bounds import Bounds
from reconciler.live.http.endpoint import parse_endpoint
from reconciler.live.http.retry import RetryPolicy
from reconciler.live.providers.google.store import HealthcareStore
from reconciler.model.address import InstanceAddress

from ..serving import QuietHandler, serving_http

Connect = Callable[..., Connection]


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with running_emulator(EmulatorSettings(tmp_path / "store")) as running:
        yield running


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Open connections that retry without waiting; closed at the end of the test."""
    with ExitStack() as stack:

        def open_connection(url: str, **settings: object) -> Connection:
            stop = settings.pop("stop", None) or threading.Event()
            defaults = {"read_only": False, "bounds": Bounds(whole=5.0, window=5.0), "retry": QUICK}
            if "credentials_file" in settings:
                file = str(settings.pop("credentials_file"))
                settings["credentials"] = {"GOOGLE_APPLICATION_CREDENTIALS": file}
            numbers = itertools.count(1)
            connection = Connection(
                ConnectionSettings(parse_endpoint(url), **(defaults | settings)),
                now=lambda: datetime.now(UTC),
                random_source=random.Random(1),
                request_ids=lambda: f"request-{next(numbers)}",
                stop=stop,
            )
            return stack.enter_context(connection)

        yield open_connection


QUICK = RetryPolicy(attempts=3, first_wait=0.0, longest_retry_after=0.0)


@pytest.fixture
def store(emulator: Emulator, connect: Connect) -> HealthcareStore:
    """The emulator's store, through a connection that may delete."""
    return connect(emulator.url).store(DEMO_STORE)


@pytest.fixture
def put(emulator: Emulator) -> Callable[..., InstanceAddress]:
    """Put an instance with these three UIDs into the emulator's store."""

    def put_instance(study: str, series: str, instance: str, size: int = 0) -> InstanceAddress:
        return emulator.ingest(DEMO_STORE, dicom_file(study, series, instance, size))

    return put_instance


def dicom_file(study: str, series: str, instance: str, size: int) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = instance
    dataset.StudyInstanceUID = study
    dataset.SeriesInstanceUID = series
    dataset.PatientName = "Doe^Jane"
    dataset.PatientID = "1234"
    if size:
        dataset.EncapsulatedDocument = b"\0" * size
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


class Scripted:
    """A server whose answers a test writes: ``replies`` maps (method, path) to an answer.

    An answer is (status, headers, body); what is not scripted is 404 with an empty body. ``raw``
    has those that are sent byte by byte as they stand, after which the connection is closed.
    ``seen`` are the requests, ``connections`` how many connections they came over.
    """

    def __init__(self) -> None:
        self.replies: dict[tuple[str, str], tuple[int, dict[str, str], bytes]] = {}
        self.raw: dict[tuple[str, str], bytes] = {}
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections: set[object] = set()
        self.url = ""


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    script = Scripted()

    class Handler(QuietHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            script.seen.append((self.command, self.path, headers, body))
            script.connections.add(self.client_address)
            if (raw := script.raw.get((self.command, self.path))) is not None:
                self.wfile.write(raw)
                self.close_connection = True
                return
            status, extra, content = script.replies.get((self.command, self.path), (404, {}, b""))
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | extra).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            if int(extra.get("Content-Length", len(content))) != len(content):
                self.close_connection = True

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names are http.server's

    with serving_http(Handler) as script.url:
        yield script
