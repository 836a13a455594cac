"""The reference pages are what `script/reference` writes of this very program and its schema."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = runpy.run_path(str(ROOT / "script" / "reference"))["PAGES"]


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_up_to_date(name: str) -> None:
    written = (ROOT / name).read_text(encoding="utf-8")
    assert written == "".join(PAGES[name]()), "run script/reference"
