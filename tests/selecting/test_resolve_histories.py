"""Whatever changes between resolve, plan and apply: only what was listed goes, and nothing kept.

Where the list is bound, what has changed since stays, too. The model is of sets, without a line of
the product.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from hypothesis import event, given
from hypothesis import strategies as st

from reconciler.emulator import DEMO_STORE, Emulator, EmulatorSettings, running_emulator
from reconciler.model.address import InstanceAddress

from ..answer import typed
from ..properties.profile import DEPTH, tried
from ..sampling import some
from .conftest import KEEP, KEY, Made, Project, dicom_file

NUMBERS = itertools.count(1)
STUDIES = 4
KEPT = "{level: study, studies: {csv: kept.csv, column: StudyInstanceUID}}"
CORRECTED: Mapping[str, tuple[str, Sequence[str | None]]] = {
    "patient": ("patient", ("PAT-2", "PAT-1")),
    "no patient": ("patient", (None,)),
    "date": ("studyDate", ("20110101", "20251231")),
    "no date": ("studyDate", (None,)),
    "modality": ("modality", ("MG", "US", None)),
}
"""What is corrected, and to what, in turn; it may be what it was before."""
CHANGES = (
    *("series", "instance", "study", "gone", "emptied", "selector", "list", "kept list"),
    *("resolved", "resolved", "filled again", *CORRECTED, *CORRECTED),
)
"""What may happen; only a resolve changes the lists as they should be."""
BINDS = (
    *(("study", ()), ("study", ("patient",)), ("study", ("studyDate",))),
    *(("study", ("patient", "studyDate")), ("series", ("modality",))),
    ("series", ("patient", "studyDate", "modality")),
)

Change = tuple[str, int]
Said = dict[str, str | None]
Target = tuple[str, ...]
"""A study, or a series behind its study."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, Path]]:
    folder = tmp_path_factory.mktemp("ground")
    with running_emulator(EmulatorSettings(folder / "store")) as emulator:
        yield emulator, folder


class World:
    """A project with two lists, one to remove and one to keep, and a store that others use.

    ``said`` is what each instance says of itself, ``seen`` what those of each target said when the
    list was resolved.
    """

    def __init__(self, emulator: Emulator, folder: Path, level: str, bind: Sequence[str]) -> None:
        number = next(NUMBERS)
        store = replace(DEMO_STORE, dicom_store_id=f"store-{number}")
        emulator.add_store(store)
        self.project = Project(folder / f"project-{number}", emulator, typed, store)
        self.level, self.bind = level, bind
        self.fresh = itertools.count(100)
        self.edited = False
        self.said: dict[InstanceAddress, Said] = {}
        self.seen: dict[Target, set[Target]] = {}
        self.key = folder / f"key-{number}"
        self.key.write_text(KEY)
        self.key.chmod(0o600)

    def type(self, *arguments: str | Path) -> int:
        return self.project.run(
            *(*arguments, "--root", self.project.folder, "--endpoint", self.project.emulator.url)
        ).code

    def state(self) -> tuple[str, Path]:
        return "--state", self.project.folder / "state"

    def keyed(self) -> tuple[str, Path]:
        return "--patient-key", self.key

    def write(self, archive: Path | None) -> None:
        """The selectors of both lists."""
        terms = 'reason: {code: "113039", ticket: RET-7}'
        terms += f", archive: {{path: {archive}}}" if archive else ""
        terms += f", bind: [{', '.join(self.bind)}]" if self.bind else ""
        old = f"{{level: {self.level}, studyDate: {{olderThan: 10y}}}}"
        self.project.write("rule.yaml", old, f"{{remove: {{{terms}}}}}")
        self.project.write("kept.yaml", KEPT, KEEP)

    def resolve(self) -> None:
        assert self.type("resolve", self.project.folder / "selectors", *self.keyed()) == 0
        self.edited = False
        self.seen = {
            target: {
                self.bound({**of_study, "modality": own["modality"]})
                for of_study in self.said_in(target[:1])
                for own in self.said_in(target)
            }
            for target in map(self.target, self.said)
        }

    def target(self, one: InstanceAddress) -> Target:
        return (one.study_uid,) if self.level == "study" else (one.study_uid, one.series_uid)

    def said_in(self, target: Target) -> list[Said]:
        return [said for one, said in self.said.items() if one[: len(target)] == target]

    def bound(self, said: Said) -> Target:
        return tuple(str(said[name]) for name in self.bind)

    def change(self, what: str, number: int) -> None:
        """Let somebody do something, to a study of this number."""
        uid, fresh = f"1.2.{number}", next(self.fresh)
        held = sorted(one for one in self.said if one.study_uid == uid)
        match what:
            case "series":
                self.ingest(InstanceAddress(uid, f"{uid}.{fresh}", f"{uid}.{fresh}.1"), said())
            case "instance":
                self.ingest(InstanceAddress(uid, f"{uid}.1", f"{uid}.1.{fresh}"), said())
            case "study":
                self.put(f"1.2.{fresh}", said(), 1)
            case "gone" | "emptied":
                for one in held if what == "emptied" else held[:1]:
                    self.delete(one)
            case "filled again":
                self.fill_again(held, {one: self.said[one] for one in held})
            case "resolved":
                self.resolve()
            case _ if what in CORRECTED:
                name, values = CORRECTED[what]
                more = {name: values[fresh % len(values)]}
                some = held if fresh % 3 else held[:1]
                self.fill_again(some, {one: self.said[one] | more for one in some})
            case _:
                names = {
                    "selector": "selectors/rule.yaml",
                    "list": "specs/resolved/rule.csv",
                    "kept list": "selectors/kept.csv",
                }
                with (self.project.folder / names[what]).open("a") as file:
                    file.write(f"# {fresh}\n" if what == "selector" else f"1.2.{number}\n")
                self.edited = True

    def put(self, uid: str, what: Said, count: int) -> None:
        for instance in range(1, count + 1):
            self.ingest(InstanceAddress(uid, f"{uid}.1", f"{uid}.1.{instance}"), what)

    def ingest(self, one: InstanceAddress, what: Said) -> None:
        made = Made(one.study_uid, what["studyDate"], what["patient"])
        number = int(one.instance_uid.rpartition(".")[2])
        file = dicom_file(made, one.series_uid, number, what["modality"])
        self.project.emulator.ingest(self.project.store, file)
        self.said[one] = what

    def delete(self, one: InstanceAddress) -> None:
        url = f"{self.project.emulator.url}/v1/{self.project.store}/dicomWeb{one}"
        assert requests.delete(url, timeout=10).status_code == 200
        del self.said[one]

    def fill_again(self, some: Sequence[InstanceAddress], now: Mapping[InstanceAddress, Said]):
        for one in some:
            self.delete(one)
        for one in some:
            self.ingest(one, now[one])

    def content(self) -> set[InstanceAddress]:
        return set(self.project.emulator.instances(self.project.store))

    def listed(self, name: str) -> set[Target]:
        """The targets of a list, without what was seen of them."""
        depth = 2 if name == "rule" and self.level == "series" else 1
        return {tuple(row.split(",")[:depth]) for row in self.project.listed(name)}


def said(date: str | None = "20100101") -> Said:
    return {"patient": "PAT-1", "studyDate": date, "modality": "US"}


def changes() -> st.SearchStrategy[Sequence[Change]]:
    one = st.tuples(st.sampled_from(CHANGES), st.integers(1, STUDIES))
    return st.lists(one, max_size=2)


def corrections() -> st.SearchStrategy[Sequence[Change]]:
    one = st.tuples(st.sampled_from(sorted(CORRECTED)), st.integers(1, STUDIES))
    return st.lists(one, min_size=1, max_size=3)


@pytest.mark.parametrize("part", some(range(DEPTH)))
@tried(25, depth=1)
@given(
    old=st.lists(st.booleans(), min_size=STUDIES, max_size=STUDIES),
    kept=st.sets(st.integers(1, STUDIES), max_size=2),
    form=st.sampled_from(BINDS),
    is_archived=st.booleans(),
    before_plan=changes(),
    before_apply=changes() | corrections(),
)
def test_only_what_was_listed_goes_and_nothing_kept_or_changed(  # noqa: PLR0917 - what is drawn
    ground: tuple[Emulator, Path],
    part: int,
    old: Sequence[bool],
    kept: set[int],
    form: tuple[str, Sequence[str]],
    is_archived: bool,
    before_plan: Sequence[Change],
    before_apply: Sequence[Change],
) -> None:
    world = World(*ground, *form)
    project = world.project
    for number, is_old in enumerate(old, start=1):
        world.put(f"1.2.{number}", said("20100101" if is_old else "20251231"), 2)
    world.write(ground[1] / "archive" / project.folder.name if is_archived else None)
    rows = "".join(f"1.2.{number}\n" for number in sorted(kept))
    (project.folder / "selectors" / "kept.csv").write_text(f"StudyInstanceUID\n{rows}")
    world.resolve()

    for what in before_plan:
        world.change(*what)
    is_refused = world.edited
    listed, held = world.listed("rule"), {study for (study,) in world.listed("kept")}
    planned_on, seen = world.content(), world.seen
    plan = project.folder / "plan.json"
    path = project.folder / "specs" / "resolved" / "rule.yaml"
    code = world.type("plan", path, "--out", plan, *world.state())
    if is_refused:
        assert code == 1
        return
    for what in before_apply:
        world.change(*what)
    before = world.content()
    assert before == world.said.keys()
    code = world.type("apply", plan, *world.state(), *world.keyed())
    gone = before - world.content()

    wanted = {
        one
        for one in before & planned_on
        if world.target(one) in listed and one.study_uid not in held
    }
    unchanged = {one for one in wanted if world.bound(world.said[one]) in seen[world.target(one)]}
    certain = {one for one in unchanged if len(seen[world.target(one)]) == 1}
    assert gone <= unchanged
    if code == 3:
        assert not gone
    else:
        assert gone >= certain
        assert code == (4 if wanted - gone else 0)
    if world.edited:
        assert not gone
    if not before_plan and not before_apply:
        assert code == 0
        assert gone == wanted
    event(f"exit code {code}, {'something' if gone else 'nothing'} deleted")
    event(f"changed and left alone: {bool(code != 3 and wanted - unchanged)}")
