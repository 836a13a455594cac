"""CONTRIBUTING says which files a change touches, and each is there and is the one."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from reconciler.api import formats
from reconciler.emulator.faulty.faults import FaultKind
from reconciler.journal.records import RECORDS
from reconciler.model.address import Provider
from reconciler.model.desired import LIMIT_KEYS
from reconciler.reporting.export.deletions_csv import COLUMNS

ROOT = Path(__file__).parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
LISTS = dict(re.findall(r"^\*\*… (a \w+)\*\*.*\n\n((?:\d+\. .*\n)+)", CONTRIBUTING, re.MULTILINE))
"""What one may add, and the list of what that touches."""

SCHEMAS = [f"schemas/{name}.schema.json" for name in ("desired-state", "plan", "event")]
NAMED_IN = {
    "a limit": {
        (*SCHEMAS, "docs/reference/gates.md"): {*LIMIT_KEYS.values()},
        ("reconciler/model/desired.py", "reconciler/model/gate.py"): {*LIMIT_KEYS},
    },
    "a format": {
        ("reconciler/api/formats.py", "docs/reference/outputs.md"): {
            *formats.PLAN_FORMATS,
            *formats.VALIDATION_FORMATS,
            *formats.REPORT_FORMATS,
        },
    },
    "a provider": {
        ("reconciler/model/address.py", "reconciler/live/providers/table.py", "docs/wire.md"): {
            provider.value for provider in Provider
        },
    },
    "a record": {
        ("docs/journal.md",): {*RECORDS},
        ("tests/journal/test_journal_records.py",): {kind.__name__ for kind in RECORDS.values()},
    },
    "a column": {
        (
            "reconciler/reporting/export/deletions_csv.py",
            "tests/reporting/test_deletions_csv.py",
        ): {*COLUMNS},
    },
    "a fault": {
        ("reconciler/emulator/faulty/faults.py", "docs/wire.md"): {kind.value for kind in FaultKind}
    },
}
"""Of the files in the lists, those that name each one that there is, and the names."""


def test_every_list_is_held_to_the_tree() -> None:
    assert LISTS.keys() == NAMED_IN.keys()


@pytest.mark.parametrize("added", LISTS)
def test_the_files_of_a_list_are_there(added: str) -> None:
    files = re.findall(r"\]\(([^)]+)\)", LISTS[added])
    assert len(files) >= 3
    assert [name for name in files if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("added", "file", "names"),
    [
        (added, file, names)
        for added, found in NAMED_IN.items()
        for files, names in found.items()
        for file in files
    ],
)
def test_a_file_of_a_list_names_each_one_that_there_is(
    added: str, file: str, names: set[str]
) -> None:
    """So whoever adds one has to add it there."""
    assert f"({file})" in LISTS[added]
    text = (ROOT / file).read_text("utf-8").lower()
    assert [name for name in names if name.lower() not in text] == []


def test_every_fragment_comes_into_the_changelog() -> None:
    draft = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["towncrier"]
    assert config["start_string"] in (ROOT / "CHANGELOG.md").read_text("utf-8")
    fragments = {*(ROOT / "changelog.d").glob("*.md")} - {ROOT / config["template"]}
    for fragment in fragments:
        assert " ".join(fragment.read_text("utf-8").split()) in " ".join(draft.split()), fragment
