"""Each file of cases/ is a desired-state file; beside it stands what is said about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.desired.load import load_desired_state
from reconciler.errors import DesiredStateError

CASES = Path(__file__).parent / "cases"


def said_about(case: Path) -> str:
    try:
        problems = load_desired_state([case], root=CASES).warnings
    except DesiredStateError as error:
        problems = error.problems
    return "".join(f"{problem}\n" for problem in problems)


@pytest.mark.parametrize("case", sorted(CASES.glob("*.yaml")), ids=lambda case: case.stem)
def test_a_case_is_answered_as_expected(case: Path) -> None:
    assert said_about(case) == case.with_suffix(".expected").read_text("utf-8")


def test_every_expectation_has_its_case() -> None:
    stems = {file.stem for file in CASES.iterdir()}
    assert stems == {file.stem for file in CASES.glob("*.yaml")}
