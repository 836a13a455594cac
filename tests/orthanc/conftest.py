"""Real Orthancs of Debian's packages, with pydicom's real files in them, and a project beside."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pydicom
import pytest
import requests

from reconciler.live.http.endpoint import parse_endpoint
from reconciler.model.address import InstanceAddress, Provider, StoreAddress

from ..answer import Answer, typist
from ..limits import wide_open_line
from ..sampling import some
from .releases import RELEASES, Release

STORE = StoreAddress("clinic", "room-7", "radiology", "mini-pacs", Provider.ORTHANC)
USER, PASSWORD = "reconciler", "not: a secret"
SECONDS_TO_START = 30.0

HEAD = """\
version: 1
store:
  provider: orthanc
  projectsId: clinic
  locationsId: room-7
  datasetsId: radiology
  dicomStoresId: mini-pacs
"""
REASON = 'reason: {code: "113039", ticket: RET-1042}\n'
OPEN = wide_open_line("maxKeptMissing", "maxNeverSeen", "maxReappeared")


@contextmanager
def running_orthanc(
    release: Release, folder: Path, origin: str | None = None, **options: object
) -> Iterator[str]:
    """Run an Orthanc until the block ends; gives its origin, a new one if none is given."""
    with socket.create_server(("127.0.0.1", urlsplit(origin or "").port or 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(release.plugin)],
        **options,
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(settings))
    log = (folder / "orthanc.log").open("wb")
    command = [*release.command, str(file)]
    environment = {**os.environ, **release.environment}
    with log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            await_answer(url, process)
            yield url
        finally:
            process.kill()  # its folder is thrown away, and an orderly end takes seconds


def await_answer(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(requests.ConnectionError):
            requests.get(f"{url}/system", timeout=5)
            return
        time.sleep(0.05)
    pytest.fail("Orthanc did not start")


@dataclass(frozen=True)
class Server:
    """A running Orthanc and a client of its own that owes nothing to the program under test."""

    url: str
    auth: tuple[str, str] | None = None
    session: requests.Session = field(default_factory=requests.Session)

    def ask(self, method: str, path: str, data: bytes = b"") -> requests.Response:
        return self.session.request(
            method, f"{self.url}{path}", data=data, auth=self.auth, timeout=30
        )

    def put(self, file: bytes) -> str:
        """Store a DICOM file; Orthanc's identifier of it, empty if it does not take it."""
        answer = self.ask("POST", "/instances", file)
        return str(answer.json().get("ID", "")) if answer.ok else ""

    def drop(self, *addresses: InstanceAddress) -> None:
        """Delete instances behind the program's back."""
        for name, address in self.addresses().items():
            if address in addresses:
                self.ask("DELETE", f"/instances/{name}")

    def clear(self) -> None:
        for patient in self.ask("GET", "/patients").json():
            self.ask("DELETE", f"/patients/{patient}")

    def count(self) -> int:
        return len(self.ask("GET", "/instances").json())

    def addresses(self) -> dict[str, InstanceAddress]:
        """The address of every instance that it holds, by Orthanc's identifier."""
        studies, series, instances = (
            {one["ID"]: one for one in self.ask("GET", f"/{level}?expand").json()}
            for level in ("studies", "series", "instances")
        )
        found = {}
        for name, instance in instances.items():
            parent = series[instance["ParentSeries"]]
            found[name] = InstanceAddress(
                studies[parent["ParentStudy"]]["MainDicomTags"]["StudyInstanceUID"],
                parent["MainDicomTags"]["SeriesInstanceUID"],
                instance["MainDicomTags"]["SOPInstanceUID"],
            )
        return found

    def content(self) -> dict[InstanceAddress, str]:
        """The address and the sha256 of every instance that it holds."""
        return {
            address: hashlib.sha256(self.ask("GET", f"/instances/{name}/file").content).hexdigest()
            for name, address in self.addresses().items()
        }


@dataclass
class Site:
    """A project whose files are about a running Orthanc, and a way to type commands in it."""

    folder: Path
    archive: Path
    server: Server
    type_command: Callable[..., Answer]

    def write(self, body: str, *, name: str = "a.yaml", head: str = HEAD) -> Path:
        path = self.folder / "specs" / name
        path.write_text(head + body, encoding="utf-8")
        return path

    def run(self, *arguments: str | Path) -> Answer:
        return self.type_command(*map(str, arguments))

    def plan(self, *arguments: str, code: int = 0) -> Answer:
        answer = self.run("plan", "--out", "plan.json", *arguments)
        assert answer.code == code, answer.err
        return answer

    def report(self) -> Any:
        return json.loads((self.folder / "report.json").read_text())

    def records(self) -> list[Mapping[str, Any]]:
        """What all runs recorded."""
        files = sorted((self.folder / ".reconciler/runs").glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def remove(*addresses: InstanceAddress, key: str = "remove") -> str:
    lines = [f"{key}:\n"]
    lines += [
        f"  - {{studiesId: {one.study_uid}, seriesId: {one.series_uid},"
        f" instancesId: [{one.instance_uid}]}}\n"
        for one in addresses
    ]
    return "".join(lines)


def gone(site: Site, before: Mapping[InstanceAddress, str], *addresses: InstanceAddress) -> None:
    """Exactly these are gone, and all others are as they were."""
    assert site.server.content() == {
        address: digest for address, digest in before.items() if address not in addresses
    }


def real_files() -> list[bytes]:
    """pydicom's real files."""
    with resources.as_file(resources.files("pydicom.data")) as folder:
        files = sorted(Path(folder, "test_files").glob("*.dcm"))
        read = [path.read_bytes() for path in files if path.stat().st_size < 1_000_000]
    # Orthanc also takes files without a preamble, which an archive does not.
    return [file for file in read if file[128:132] == b"DICM"]


@pytest.fixture(scope="session", params=some(RELEASES))
def release(request: pytest.FixtureRequest) -> Release:
    return RELEASES[request.param]()


@pytest.fixture(scope="session")
def orthanc_url(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_orthanc(release, tmp_path_factory.mktemp("orthanc")) as url:
        yield url


@pytest.fixture
def server(orthanc_url: str) -> Server:
    """An empty Orthanc."""
    server = Server(orthanc_url)
    server.clear()
    return server


@pytest.fixture
def site(
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Site:
    return make_site(tmp_path, server, monkeypatch, capsys)


def make_site(
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Site:
    folder = tmp_path / "project"
    (folder / "specs").mkdir(parents=True)
    (folder / ".git").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RECONCILER_ORTHANC_ENDPOINT", str(parse_endpoint(server.url)))
    for name in ("RECONCILER_ENDPOINT", "RECONCILER_STATE", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("reconciler.api.running.VERIFY_SECONDS", 0.2)

    return Site(folder, tmp_path / "archive", server, typist(capsys))


@pytest.fixture
def real(server: Server) -> dict[InstanceAddress, str]:
    """What Orthanc takes of the real files, by address; of one address the first file only."""
    seen = set()
    for file in real_files():
        dataset = pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True)
        if dataset.get("SOPInstanceUID") not in seen:
            seen.add(dataset.get("SOPInstanceUID"))
            server.put(file)
    return server.content()


def small_file(address: InstanceAddress, *, patient: str = "A") -> bytes:
    """A DICOM file of a few hundred bytes under this address."""

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.PatientID = patient
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = address
    dataset.Modality = "OT"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
