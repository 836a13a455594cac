"""An embedded store full of real DICOM files, a project that archives, and the command line."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bagit
import pytest

from reconciler.drill.real_files import store_real_files
from reconciler.emulator import DEMO_STORE, Emulator, EmulatorSettings, running_emulator
from reconciler.model.address import InstanceAddress

from ..answer import Answer, typist
from ..journal.by_hand import records_of
from ..limits import wide_open_line
from .proxy import Change, proxy_of

HEAD = "version: 1\nstore:\n" + "".join(
    f"  {name}: {value}\n" for name, value in DEMO_STORE.as_parameters().items()
)
OPEN = wide_open_line("maxKeptMissing", "maxNeverSeen", "maxReappeared")
REASON = 'reason: {code: "113037", ticket: QA-7}\n'
ROOT = "1.2.826.0.1.3680043.10.7"


@dataclass
class Site:
    """A project folder, the archive beside it, the store, and a way to type commands."""

    folder: Path
    archive: Path
    emulator: Emulator
    store_folder: Path
    type_command: Callable[..., Answer]
    stop_emulator: Callable[[], None]

    def ask_removal(self, addresses: Sequence[InstanceAddress], *, archive: str = "") -> Path:
        """Write a file that removes them; ``archive`` stands for that of the file."""
        chosen = archive or f"archive: {{path: {self.archive}}}\n"
        return self.write("a.yaml", REASON + OPEN + chosen + removal(addresses))

    def write(self, name: str, body: str) -> Path:
        path = self.folder / "specs" / name
        path.write_text(HEAD + body, encoding="utf-8")
        return path

    def plan(self) -> None:
        answer = self.run("plan", "--out", "plan.json")
        assert answer.code == 0, answer.err

    def apply(self, *arguments: str) -> Answer:
        return self.run("apply", "plan.json", "--report", "report.json", *arguments)

    def run(self, *arguments: str | Path) -> Answer:
        return self.type_command(*map(str, arguments))

    def spawn(self, *arguments: str, file_limit: int | None = None) -> subprocess.Popen[str]:
        """Type a command in a process of its own; no file of it grows beyond the limit (bytes)."""
        environment = os.environ | {"RECONCILER_ENDPOINT": self.emulator.url}
        limit = ["prlimit", f"--fsize={file_limit}"] if file_limit else []
        return subprocess.Popen(
            [*limit, sys.executable, "-m", "reconciler", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def fill(self, count: int, *, edge: int = 4) -> list[InstanceAddress]:
        """Put small images into the store."""
        addresses = [
            InstanceAddress(f"{ROOT}.1", f"{ROOT}.1.1", f"{ROOT}.1.1.{number}")
            for number in range(1, count + 1)
        ]
        uids = [one.instance_uid for one in addresses]
        self.emulator.ingest_synthetic(DEMO_STORE, addresses[0].series, uids, edge=edge)
        return addresses

    def content(self) -> set[InstanceAddress]:
        return self.emulator.instances(DEMO_STORE)

    def hashes(self) -> dict[InstanceAddress, str]:
        """The sha256 of every file that the store holds on its disk."""
        found = {}
        for path in (self.store_folder / "files").rglob("*.dcm"):
            address = InstanceAddress(path.parts[-3], path.parts[-2], path.stem)
            found[address] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def report(self) -> Any:
        return json.loads((self.folder / "report.json").read_text())

    def runs(self) -> list[str]:
        """The runs in the order of their start; names tell it to the second only."""
        paths = (self.folder / ".reconciler/runs").glob("*.jsonl")
        return [path.stem for path in sorted(paths, key=_started)]

    def journal(self, run_name: str) -> str:
        return (self.folder / ".reconciler" / "runs" / f"{run_name}.jsonl").read_text()

    def records(self, run_name: str) -> list[Mapping[str, Any]]:
        """What a run recorded; a torn last line is none of it."""
        return records_of(self.folder / ".reconciler" / "runs" / f"{run_name}.jsonl")

    def bags(self) -> list[Path]:
        return sorted(self.archive.iterdir()) if self.archive.exists() else []

    def validate_bags(self) -> int:
        """Let the bagit package verify every bag; the number of payload files in them."""
        count = 0
        for path in self.bags():
            bag = bagit.Bag(str(path))
            bag.validate()
            count += len(list(bag.payload_files()))
            # "valid" to the package does not say that nothing else lies about
            assert not list(path.rglob("*.part"))
        return count

    def deletes(self) -> list[str]:
        return [one.path for one in self.emulator.requests() if one.method == "DELETE"]


def removal(addresses: Sequence[InstanceAddress]) -> str:
    """A ``remove:`` list with one entry for each series."""
    lines = ["remove:\n"]
    for series in sorted({one.series for one in addresses}):
        lines.append(f"  - studiesId: {series.study_uid}\n    seriesId: {series.series_uid}\n")
        lines.append("    instancesId:\n")
        lines += [f"      - {one.instance_uid}\n" for one in addresses if one.series == series]
    return "".join(lines)


@pytest.fixture
def site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Site]:
    folder = tmp_path / "project"
    (folder / "specs").mkdir(parents=True)
    (folder / ".git").mkdir()
    monkeypatch.chdir(folder)
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "RECONCILER_STATE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("reconciler.api.running.VERIFY_SECONDS", 0.2)

    with ExitStack() as stack:
        emulator = stack.enter_context(running_emulator(EmulatorSettings(tmp_path / "store")))
        monkeypatch.setenv("RECONCILER_ENDPOINT", emulator.url)
        archive, store = tmp_path / "archive", tmp_path / "store"
        yield Site(folder, archive, emulator, store, typist(capsys), stack.close)


Through = Callable[[Change], None]


@pytest.fixture
def through(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Through]:
    """Let the tool speak to the store through a proxy from now on."""
    with ExitStack() as stack:

        def insert(change: Change) -> None:
            url = stack.enter_context(proxy_of(site.emulator.url, change))
            monkeypatch.setenv("RECONCILER_ENDPOINT", url)

        yield insert


@pytest.fixture
def real(site: Site) -> list[InstanceAddress]:
    """The real files of pydicom, in the store."""
    return sorted(store_real_files(site.emulator, DEMO_STORE).values())


def _started(path: Path) -> tuple[str, str]:
    """When a run started, in milliseconds, as its first record says; nothing while that is torn."""
    found = re.search(r'"time":"([^"]+)"', "".join(path.read_text("utf-8").splitlines()[:2]))
    return (found[1] if found else "", path.stem)
