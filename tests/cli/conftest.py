"""A project folder, an embedded store and the command line, all of them real."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.desired import parts
from reconciler.emulator import DEMO_STORE, Emulator, EmulatorSettings, running_emulator
from reconciler.model.address import InstanceAddress, StoreAddress

from ..answer import Answer, typist
from ..limits import wide_open_line

ROOT = "1.2.826.0.1.3680043.10.1"


def head(store: StoreAddress = DEMO_STORE) -> str:
    parameters = "".join(f"  {name}: {value}\n" for name, value in store.as_parameters().items())
    return f"version: 1\nstore:\n{parameters}"


@dataclass
class Project:
    """A folder with ``specs/``, the store behind it, and a way to type commands in it."""

    folder: Path
    emulator: Emulator
    type_command: Callable[..., Answer]
    store: StoreAddress = DEMO_STORE
    written: list[str] = field(default_factory=list)

    def fill(self, study: int, series: int, instances: Sequence[int]) -> list[InstanceAddress]:
        """Put instances into the store; UIDs are made of the numbers."""
        addresses = [address(study, series, number) for number in instances]
        self.emulator.ingest_synthetic(
            self.store, address(study, series, 0).series, [one.instance_uid for one in addresses]
        )
        return addresses

    def write(self, name: str, body: str, *, store: StoreAddress | None = None) -> Path:
        """Write a desired-state file under specs/; ``body`` follows the store."""
        path = self.folder / "specs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head(store or self.store) + body, encoding="utf-8")
        return path

    def run(self, *arguments: str | Path) -> Answer:
        return self.type_command(*map(str, arguments))

    def content(self) -> set[InstanceAddress]:
        return self.emulator.instances(self.store)

    def deletes(self) -> list[str]:
        """The paths of the DELETE requests that reached the store."""
        return [one.path for one in self.emulator.requests() if one.method == "DELETE"]


def address(study: int, series: int, instance: int) -> InstanceAddress:
    return InstanceAddress(
        f"{ROOT}.{study}", f"{ROOT}.{study}.{series}", f"{ROOT}.{study}.{series}.{instance}"
    )


def removal(addresses: Sequence[InstanceAddress], *, key: str = "remove") -> str:
    """A ``remove:`` (or ``keep:``) list with one entry for each series."""
    lines = [f"{key}:\n"]
    for series in sorted({one.series for one in addresses}):
        lines.append(f"  - studiesId: {series.study_uid}\n    seriesId: {series.series_uid}\n")
        lines.append("    instancesId:\n")
        lines += [f"      - {one.instance_uid}\n" for one in addresses if one.series == series]
    return "".join(lines)


REASON = 'reason: {code: "113039", ticket: RET-1042}\n'
LIMITS_OPEN = wide_open_line("maxKeptMissing", "maxReappeared")


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with running_emulator(EmulatorSettings(tmp_path / "store")) as running:
        yield running


@pytest.fixture
def project(
    tmp_path: Path,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Project:
    folder = tmp_path / "project"
    (folder / "specs").mkdir(parents=True)
    (folder / ".git").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RECONCILER_ENDPOINT", emulator.url)
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "RECONCILER_STATE"):
        monkeypatch.delenv(name, raising=False)

    return Project(folder, emulator, typist(capsys))


@pytest.fixture
def study_by_study(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each study is a part of its own, as it is with very many instances."""
    monkeypatch.setattr(parts, "HEAVIEST", 1)


@pytest.fixture
def three(project: Project) -> Project:
    """Three studies of two instances, all to be removed."""
    for study in (1, 2, 3):
        project.fill(study, 1, [1, 2])
    write_removes(project, "a.yaml", (1, 2, 3))
    return project


def write_removes(project: Project, name: str, studies: Iterable[int]) -> None:
    """A file that removes these studies as a whole, with limits that stop nothing."""
    lines = "".join(f"  - studiesId: {address(study, 1, 1).study_uid}\n" for study in studies)
    project.write(name, f"{REASON}{wide_open_line('maxDangling')}remove:\n{lines}")
