"""Each file of cases/ is a selector; beside it stands what is said about it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from reconciler.desired.selectors.reading import load_selectors
from reconciler.errors import DesiredStateError

CASES = Path(__file__).parent / "cases"


def said_about(case: Path, root: Path) -> str:
    selectors = root / "selectors"
    selectors.mkdir()
    shutil.copy(case, selectors)
    shutil.copytree(CASES / "beside", selectors / "beside")
    try:
        _, problems = load_selectors([selectors / case.name], root=root)
    except DesiredStateError as error:
        problems = error.problems
    return "".join(f"{problem}\n" for problem in problems)


@pytest.mark.parametrize("case", sorted(CASES.glob("*.yaml")), ids=lambda case: case.stem)
def test_a_case_is_answered_as_expected(case: Path, tmp_path: Path) -> None:
    said = said_about(case, tmp_path)
    if "RECONCILER_WRITE_GOLDEN" in os.environ:
        case.with_suffix(".expected").write_text(said, "utf-8")
    assert said == case.with_suffix(".expected").read_text("utf-8")
    assert "SMITH" not in said


@pytest.mark.parametrize(
    "condition",
    [
        "patients: {keyed: SMITH}",
        "patients: {keyed: ../../../SMITH}",
        "patients: {keyed: /SMITH}",
        f"patients: {{keyed: {'SMITH' * 60}}}",
        "patients: {SMITH: 1}",
        "patients: SMITH",
        "patients: [SMITH]",
        "accessions: {keyed: beside/SMITH.1}",
        "studies: {csv: SMITH, column: Study UID}",
    ],
)
def test_an_id_in_the_place_of_a_file_is_never_quoted(condition: str, tmp_path: Path) -> None:
    said = said_about_condition(condition, tmp_path)
    assert "case.yaml:3:" in said
    assert "SMITH" not in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("keyed: trial7.keyed", "selectors/trial7.keyed does not exist"),
        ("keyed: ../../trial7.keyed", "../../trial7.keyed lies outside the project"),
        ("keyed: beside", "selectors/beside cannot be read: Is a directory"),
        ("keyed: trial7", "the file of pseudonyms does not exist"),
    ],
)
def test_what_is_there_or_ends_as_such_files_do_is_named(
    name: str, said: str, tmp_path: Path
) -> None:
    assert said in said_about_condition(f"patients: {{{name}}}", tmp_path)


def said_about_condition(condition: str, tmp_path: Path) -> str:
    case = tmp_path / "case.yaml"
    store = "{projectsId: p, locationsId: l, datasetsId: d, dicomStoresId: s}"
    case.write_text(
        f"version: 1\nstore: {store}\nselect: {{level: study, {condition}}}\nthen: {{keep: {{}}}}\n"
    )
    root = tmp_path / "project"
    root.mkdir()
    return said_about(case, root)
