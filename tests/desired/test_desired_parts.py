"""The desired state in parts is the desired state, whatever the order of rows in inventories."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from reconciler.desired import parts
from reconciler.desired.load import load_desired_state
from reconciler.desired.parts import DesiredParts, load_in_parts
from reconciler.errors import DesiredStateError, ReconcilerError
from reconciler.model.desired import Claims, Entry
from reconciler.model.problem import Problem
from reconciler.outside_memory import temporary_database

HEAD = """version: 1
store:
  projectsId: imaging-prod
  locationsId: europe-west4
  datasetsId: radiology
  dicomStoresId: archive
reason: {code: "113039", ticket: RET-1}
limits: {maxStudyPercent: 90}
"""
INSTANCES = [f"1.{study}.{series}.{n}" for study in range(4) for series in (1, 2) for n in range(3)]


@pytest.fixture(autouse=True)
def study_by_study(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "HEAVIEST", 4)


def pin(root: Path, name: str, rows: Sequence[str]) -> str:
    """Write an inventory; the entry that pins it."""
    text = "\n".join(rows) + "\n"
    (root / "specs" / name).write_text(text, encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"  - inventory: {{path: {name}, sha256: {digest}, count: {len(rows) - 1}}}\n"


def row(uid: str) -> str:
    return f"{uid[:3]},{uid[:5]},{uid}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two inventories, of instances in any order and of whole studies, and entries by hand."""
    (tmp_path / "specs").mkdir()
    shuffled = random.Random(24).sample(INSTANCES, len(INSTANCES))
    listed = pin(tmp_path, "rows.csv", ["studiesId,seriesId,instancesId", *map(row, shuffled)])
    whole = pin(tmp_path, "whole.csv", ["studiesId", "1.8", "1.7", "1.8"])
    by_hand = "  - studiesId: '1.5'\n    seriesId: '1.5.1'\n    instancesId: ['1.5.1.1']\n"
    kept = pin(tmp_path, "kept.csv", ["studiesId,seriesId", "1.2,1.2.2", "1.9,1.9.1"])
    text = f"{HEAD}remove:\n{listed}{whole}{by_hand}keep:\n{kept}"
    (tmp_path / "specs" / "a.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def entries(claims: Sequence[Claims]) -> list[Entry]:
    return [entry for one in claims for entry in one.entries]


def test_all_parts_together_are_the_store(root: Path) -> None:
    whole = load_desired_state([root / "specs"], root=root)
    (store,) = whole.stores
    with temporary_database() as database:
        found: DesiredParts = load_in_parts([root / "specs"], root=root, database=database)
        taken = [*found.parts()]
    assert len(taken) > 3
    assert (found.paths, found.inputs, found.warnings) == (
        whole.paths,
        whole.inputs,
        whole.warnings,
    )
    assert [one.rule for one in found.warnings] == ["duplicate-entry"]
    assert entries([one.removes for one in taken]) == list(store.removes.entries)
    assert entries([one.keeps for one in taken]) == list(store.keeps.entries)
    for one in taken:
        assert (one.store, one.limits, one.written) == (store.store, store.limits, store.written)
    studies = [one.removes.studies() | one.keeps.studies() for one in taken]
    assert sorted(uid for one in studies for uid in one) == sorted(set().union(*studies))


def test_what_is_kept_is_that_of_all_files_in_every_store(root: Path) -> None:
    other = HEAD.replace("archive", "research").replace("reason", "# reason")
    listed = pin(
        root, "held.csv", ["studiesId,seriesId,instancesId", row("1.5.1.1"), "1.4,1.4.1,1"]
    )
    text = f"{other}keep:\n{listed}  - studiesId: '1.3'\n"
    (root / "specs" / "b.yaml").write_text(text, encoding="utf-8")
    paths = [root / "specs" / "a.yaml"]
    whole = load_desired_state(paths, root=root)
    with temporary_database() as database:
        desired = load_in_parts(paths, root=root, database=database)
        found = [*desired.keeps()]
        assert [one.dicom_store_id for one in desired.stores] == ["archive"]
    assert sorted({one.store.dicom_store_id for one in found}) == ["archive", "research"]
    for store, keeps in whole.keeps.items():
        of_store = [one.keeps for one in found if one.store == store]
        assert entries(of_store) == list(keeps.entries)
    assert not any(one.removes.entries for one in found)


def problems_of(root: Path, *, in_parts: bool) -> tuple[Problem, ...]:
    with temporary_database() as database:
        load = partial(load_in_parts, database=database) if in_parts else load_desired_state
        with pytest.raises(DesiredStateError) as caught:
            load([root / "specs"], root=root)
    return caught.value.problems


def test_what_is_wrong_is_said_with_the_same_lines(root: Path) -> None:
    rows = ["studiesId,seriesId,instancesId", row("1.1.1.0"), "1.1,1.1.1,x", "1.6,1.6.1,1.1.1.0"]
    other = pin(root, "other.csv", rows).replace(
        "inventory", "reason: {code: '113037'}\n    inventory"
    )
    kept = "keep:\n  - studiesId: '1.6'\n    seriesId: '1.6.2'\n    instancesId: ['1.0.1.1']\n"
    text = f"{HEAD}remove:\n{other}  - studiesId: '1.9'\n    seriesId: '1.9.1'\n{kept}"
    (root / "specs" / "b.yaml").write_text(text, encoding="utf-8")
    alone, in_parts = (problems_of(root, in_parts=one) for one in (False, True))
    assert in_parts == alone
    assert {one.rule for one in alone} >= {
        "contradiction",
        "different-reasons",
        "invalid-uid",
        "two-addresses",
    }


def fill(pages: int) -> None:
    with temporary_database() as database:
        database.execute(f"PRAGMA max_page_count = {pages}")
        database.execute("CREATE TABLE full (text TEXT)")
        database.executemany("INSERT INTO full VALUES (?)", [["x" * 1000]] * 100)


def test_no_room_for_the_temporary_file_is_said() -> None:
    fill(1000)
    with pytest.raises(ReconcilerError, match="cannot be written to a temporary file") as caught:
        fill(4)
    assert caught.value.hint is not None
    assert "TMPDIR" in caught.value.hint
