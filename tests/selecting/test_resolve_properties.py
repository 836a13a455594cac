"""What resolve lists is what the sets of the rule say, whatever is missing or malformed."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, note

from reconciler.emulator import DEMO_STORE, Emulator, EmulatorSettings, running_emulator

from ..answer import typed
from ..properties.profile import tried
from .conftest import KEY, Project
from .worlds import AS_OF, Case, as_yaml, cases, expected

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, Path]]:
    folder = tmp_path_factory.mktemp("ground")
    key = folder / "patient.key"
    key.write_text(KEY)
    key.chmod(0o600)
    with running_emulator(EmulatorSettings(folder / "store")) as emulator:
        yield emulator, folder


def pseudonym(text: str, *, behind: str = "") -> str:
    return hmac.new(bytes.fromhex(KEY), f"{behind}{text}".encode(), hashlib.sha256).hexdigest()


def prepared(emulator: Emulator, folder: Path, case: Case) -> Project:
    """A project of its own, with a store of its own that holds the studies."""
    number = next(NUMBERS)
    store = replace(DEMO_STORE, dicom_store_id=f"store-{number}")
    emulator.add_store(store)
    project = Project(folder / f"project-{number}", emulator, typed, store)
    project.put(*case.studies)
    select, then, exceptions = as_yaml(case)
    project.write("rule.yaml", select, then, exceptions)
    beside = project.folder / "selectors"
    key = f"# key {pseudonym('check', behind=chr(0))[:16]}\n"
    cohort = sorted(f"hmac-sha256:{pseudonym(one)}\n" for one in case.cohort)
    (beside / "p.keyed").write_text(key + "".join(cohort))
    found = (pseudonym(one, behind="\0accession\0") for one in case.numbers)
    numbers = "".join(f"accession-hmac-sha256:{one}\n" for one in found)
    (beside / "a.keyed").write_text(key + numbers)
    rows = "".join(f"a report;{uid}\n" for uid in sorted(case.listed))
    (beside / "s.csv").write_text(f"Report;Study UID\n{rows}")
    return project


def resolve(project: Project, folder: Path, *options: str) -> tuple[int, dict, str]:
    done = project.run(
        *("resolve", project.folder / "selectors", "--root", project.folder),
        *("--endpoint", project.emulator.url, "--patient-key", folder / "patient.key"),
        *("--as-of", AS_OF.isoformat(), "--format", "json", *options),
    )
    assert done.code in {0, 2}, done.err
    (found,) = done.json["lists"]
    return done.code, found, done.err


@tried(60)
@given(case=cases())
def test_a_list_is_what_the_sets_of_the_rule_say(ground: tuple[Emulator, Path], case: Case) -> None:
    emulator, folder = ground
    project = prepared(emulator, folder, case)
    certain, possible = expected(case)
    note(project.folder.joinpath("selectors/rule.yaml").read_text())

    code, found, _ = resolve(project, folder)

    assert code == 0
    wanted = certain if case.intent == "remove" else possible
    assert project.listed("rule") == [",".join(key) for key in sorted(wanted)]
    doubtful = {key[0] for key in possible - certain}
    assert {one["studiesId"] for one in found["not_judged"]} == doubtful
    counted = instances_of(case, wanted)
    assert found["instances"] == counted
    assert found["series"] == series_of(case, wanted)
    before = files(project)
    assert resolve(project, folder)[1]["state"] == "same"
    assert resolve(project, folder, "--check")[0] == 0
    assert files(project) == before


def files(project: Project) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in project.folder.rglob("specs/**/*") if p.is_file()}


def series_of(case: Case, wanted: frozenset[tuple[str, ...]]) -> int:
    if case.level == "series":
        return len(wanted)
    return sum(len(study.series) for study in case.studies if (study.uid,) in wanted)


def instances_of(case: Case, wanted: frozenset[tuple[str, ...]]) -> int:
    return sum(
        count
        for study in case.studies
        for number, (_, count) in enumerate(study.series, start=1)
        if {(study.uid,), (study.uid, f"{study.uid}.{number}")} & wanted
    )
