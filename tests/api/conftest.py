"""A project with a store behind it, for whoever calls the functions instead of the command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import reconciler
from reconciler.emulator import DEMO_STORE, Emulator, EmulatorSettings, running_emulator
from reconciler.model.address import InstanceAddress

from ..cli.conftest import LIMITS_OPEN, REASON, address, head, removal


@dataclass(frozen=True)
class Site:
    """A folder with specs/ and selectors/, and the store that they are about."""

    folder: Path
    emulator: Emulator

    @property
    def project(self) -> reconciler.Project:
        return reconciler.Project.open(self.folder)

    @property
    def service(self) -> reconciler.Service:
        return reconciler.Service(endpoint=self.emulator.url)

    def plan(self) -> reconciler.Plan:
        project = self.project
        return reconciler.plan(reconciler.load(project=project), project, self.service)

    def content(self) -> set[InstanceAddress]:
        return self.emulator.instances(DEMO_STORE)

    def deletes(self) -> int:
        return sum(one.method == "DELETE" for one in self.emulator.requests())


REMOVED = [address(1, 1, number) for number in (1, 2)]
LEFT = address(1, 1, 3)


def fill(site: Site, *, stored: bool = True) -> None:
    """Three instances in the store, two of them to be removed; a selector of all that is old."""
    uids = [one.instance_uid for one in (*REMOVED, LEFT)]
    if stored:
        site.emulator.ingest_synthetic(DEMO_STORE, LEFT.series, uids)
    for name, text in {
        "specs/a.yaml": head() + REASON + LIMITS_OPEN + removal(REMOVED),
        "selectors/old.yaml": head()
        + "select: {level: study, studyDate: {olderThan: 1y}}\n"
        + 'then: {remove: {reason: {code: "113039", ticket: RET-7}}}\n',
    }.items():
        path = site.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_emulator(EmulatorSettings(tmp_path / "store")) as emulator:
        site = Site(tmp_path / "project", emulator)
        fill(site)
        yield site
