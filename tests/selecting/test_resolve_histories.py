"""Whatever changes between resolve, plan and apply: only what was listed goes, and nothing kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from hypothesis import event, given
from hypothesis import strategies as st

from reconciler.emulator import DEMO_STORE, Emulator, EmulatorSettings, running_emulator
from reconciler.model.address import InstanceAddress

from ..answer import typed
from ..properties.profile import tried
from .conftest import KEEP, REMOVE, Made, Project, dicom_file

NUMBERS = itertools.count(1)
STUDIES = 4
OLD = "{level: study, studyDate: {olderThan: 10y}}"
KEPT = "{level: study, studies: {csv: kept.csv, column: StudyInstanceUID}}"
CHANGES = (
    *("series", "instance", "study", "gone", "emptied", "selector", "list", "kept list"),
    *("resolved", "resolved"),
)
"""What may happen; all but the last leave the lists as they were, or no list at all."""

Change = tuple[str, int]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, Path]]:
    folder = tmp_path_factory.mktemp("ground")
    with running_emulator(EmulatorSettings(folder / "store")) as emulator:
        yield emulator, folder


class World:
    """A project with two lists, one to remove and one to keep, and a store that others use."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        number = next(NUMBERS)
        store = replace(DEMO_STORE, dicom_store_id=f"store-{number}")
        emulator.add_store(store)
        self.project = Project(folder / f"project-{number}", emulator, typed, store)
        self.fresh = itertools.count(100)
        self.edited = False

    def type(self, *arguments: str | Path) -> int:
        return self.project.run(
            *(*arguments, "--root", self.project.folder, "--endpoint", self.project.emulator.url)
        ).code

    def state(self) -> tuple[str, Path]:
        return "--state", self.project.folder / "state"

    def resolve(self) -> None:
        assert self.type("resolve", self.project.folder / "selectors") == 0
        self.edited = False

    def change(self, what: str, number: int) -> None:
        """Let somebody do something, to a study of this number."""
        uid, fresh = f"1.2.{number}", next(self.fresh)
        match what:
            case "series":
                self.ingest(Made(uid, "20100101"), f"{uid}.{fresh}", 1)
            case "instance":
                self.ingest(Made(uid, "20100101"), f"{uid}.1", fresh)
            case "study":
                self.project.put(Made(f"1.2.{fresh}", "20100101"))
            case "gone" | "emptied":
                held = [one for one in self.content() if one.study_uid == uid]
                for one in held if what == "emptied" else held[:1]:
                    url = f"{self.project.emulator.url}/v1/{self.project.store}/dicomWeb{one}"
                    assert requests.delete(url, timeout=10).status_code == 200
            case "resolved":
                self.resolve()
            case _:
                names = {
                    "selector": "selectors/rule.yaml",
                    "list": "specs/resolved/rule.csv",
                    "kept list": "selectors/kept.csv",
                }
                with (self.project.folder / names[what]).open("a") as file:
                    file.write(f"# {fresh}\n" if what == "selector" else f"1.2.{number}\n")
                self.edited = True

    def ingest(self, study: Made, series: str, instance: int) -> None:
        file = dicom_file(study, series, instance, "US")
        self.project.emulator.ingest(self.project.store, file)

    def content(self) -> list[InstanceAddress]:
        return sorted(self.project.emulator.instances(self.project.store))


def changes() -> st.SearchStrategy[Sequence[Change]]:
    one = st.tuples(st.sampled_from(CHANGES), st.integers(1, STUDIES))
    return st.lists(one, max_size=2)


@tried(25)
@given(
    old=st.lists(st.booleans(), min_size=STUDIES, max_size=STUDIES),
    kept=st.sets(st.integers(1, STUDIES), max_size=2),
    before_plan=changes(),
    before_apply=changes(),
)
def test_only_what_was_listed_goes_and_nothing_kept(
    ground: tuple[Emulator, Path],
    old: Sequence[bool],
    kept: set[int],
    before_plan: Sequence[Change],
    before_apply: Sequence[Change],
) -> None:
    world = World(*ground)
    project = world.project
    project.put(
        *(
            Made(f"1.2.{number}", "20100101" if is_old else "20251231", series=(("US", 2),))
            for number, is_old in enumerate(old, start=1)
        )
    )
    project.write("rule.yaml", OLD, REMOVE)
    project.write("kept.yaml", KEPT, KEEP)
    rows = "".join(f"1.2.{number}\n" for number in sorted(kept))
    (project.folder / "selectors" / "kept.csv").write_text(f"StudyInstanceUID\n{rows}")
    world.resolve()

    for what in before_plan:
        world.change(*what)
    is_refused = world.edited
    listed, held = set(project.listed("rule")), set(project.listed("kept"))
    planned_on = set(world.content())
    plan = project.folder / "plan.json"
    path = project.folder / "specs" / "resolved" / "rule.yaml"
    code = world.type("plan", path, "--out", plan, *world.state())
    if is_refused:
        assert code == 1
        return
    for what in before_apply:
        world.change(*what)
    before = set(world.content())
    code = world.type("apply", plan, *world.state())

    gone = before - set(world.content())
    assert {one.study_uid for one in gone} <= listed - held
    assert gone <= planned_on
    if world.edited:
        assert not gone
    if not before_plan and not before_apply:
        assert code == 0
        assert {one.study_uid for one in gone} == listed - held
    event("deleted" if gone else "nothing deleted")
