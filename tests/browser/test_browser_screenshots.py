"""The documentation's screenshots are made by a command that anyone can run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_the_command_makes_every_image_of_the_documentation(tmp_path: Path) -> None:
    script = ROOT / "script" / "screenshots"
    subprocess.run([sys.executable, str(script), "--out", str(tmp_path)], check=True)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    images = ROOT / "docs" / "images"
    assert set(made) == {path.name for path in images.glob("*.png")}
    assert set(made) >= {path.name for path in (images / "before").iterdir()}
    assert all(image.startswith(b"\x89PNG") for image in made.values())
    shown = "".join(
        path.read_text("utf-8") for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    )
    assert [name for name in made if f"images/{name}" not in shown] == []
