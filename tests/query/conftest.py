"""A project, an embedded store with pydicom's real files, and the command line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.drill.real_files import store_real_files
from reconciler.emulator import DEMO_STORE, Emulator, EmulatorSettings, running_emulator
from reconciler.model.address import InstanceAddress

from ..answer import Answer, typist

STORE = " AND ".join(f"{name} = '{value}'" for name, value in DEMO_STORE.as_parameters().items())
TABLE = "google.healthcare.instances"


@dataclass
class Site:
    folder: Path
    emulator: Emulator
    type_command: Callable[..., Answer]

    def run(self, *arguments: str | Path) -> Answer:
        return self.type_command(*map(str, arguments))

    def query(self, text: str, *arguments: str | Path) -> Answer:
        return self.run("query", text, *arguments)

    def methods(self) -> dict[str, int]:
        """How many requests of each method reached the store."""
        found: dict[str, int] = {}
        for one in self.emulator.requests():
            found[one.method] = found.get(one.method, 0) + 1
        return found

    def keep(self, body: str) -> None:
        head = "".join(f"  {n}: {v}\n" for n, v in DEMO_STORE.as_parameters().items())
        specs = self.folder / "specs"
        specs.mkdir(exist_ok=True)
        (specs / "keep.yaml").write_text(f"version: 1\nstore:\n{head}{body}")


def where(address: InstanceAddress) -> str:
    uids = " AND ".join(f"{name} = '{uid}'" for name, uid in address.as_parameters().items())
    return f"FROM {TABLE} WHERE {STORE} AND {uids}"


@pytest.fixture
def site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Site]:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".git").mkdir()
    monkeypatch.chdir(folder)
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "RECONCILER_STATE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("reconciler.api.running.VERIFY_SECONDS", 0.2)

    with running_emulator(EmulatorSettings(tmp_path / "store")) as emulator:
        monkeypatch.setenv("RECONCILER_ENDPOINT", emulator.url)
        yield Site(folder, emulator, typist(capsys))


@pytest.fixture
def real(site: Site) -> Mapping[InstanceAddress, str]:
    """The real files in the store: the sha256 of each by its address."""
    stored = store_real_files(site.emulator, DEMO_STORE)
    files = site.folder.parent / "store" / "files"
    found = {
        address: next(files.rglob(f"{address.instance_uid}.dcm")) for address in stored.values()
    }
    site.emulator.clear_requests()
    return {
        address: hashlib.sha256(path.read_bytes()).hexdigest() for address, path in found.items()
    }
