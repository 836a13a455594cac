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
