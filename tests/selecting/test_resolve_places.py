"""Where lists lie, whose they are, and what is never read or replaced there."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from .conftest import Made, Project

OLD = "{level: study, studyDate: {olderThan: 10y}}"
DAY = ("--as-of", "2025-06-01")
SECRET = "SMITH^JOHN\n"


@pytest.fixture
def filled(project: Project) -> Project:
    project.put(Made("1.2.1", "20100101"), Made("1.2.2", "20250301"))
    project.write("old.yaml", OLD)
    return project


@pytest.mark.parametrize("name", ["resolved", "resolved/old.yaml", "resolved/old.csv"])
def test_no_list_is_read_or_written_through_a_link(
    filled: Project, tmp_path: Path, name: str
) -> None:
    outside = tmp_path / "outside"
    if name == "resolved":
        outside.mkdir()
        (outside / "old.yaml").write_text(SECRET)
    else:
        outside.write_text(SECRET)
    link = filled.folder / "specs" / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)
    for options in ((), ("--diff",), ("--check",)):
        done = filled.run("resolve", *DAY, *options)
        assert done.code == 1
        assert "is a symbolic link, or lies behind one" in done.err
        assert "SMITH" not in done.out + done.err
    held = [one for one in (outside, *outside.glob("*")) if one.is_file()]
    assert [one.read_text() for one in held] == [SECRET]


@pytest.mark.parametrize("suffix", ["yaml", "csv"])
def test_what_somebody_wrote_by_hand_is_neither_replaced_nor_shown(
    filled: Project, suffix: str
) -> None:
    path = filled.folder / "specs" / "resolved" / f"old.{suffix}"
    path.parent.mkdir()
    path.write_text(f"# {SECRET}keep: []\n")
    for options in ((), ("--diff",)):
        done = filled.run("resolve", *DAY, *options)
        assert done.code == 1
        assert f"specs/resolved/old.{suffix} was not written by resolve" in done.err
        assert "SMITH" not in done.out + done.err
    assert path.read_text().startswith(f"# {SECRET}")
    assert filled.emulator.requests() == []


def test_a_list_that_resolve_has_not_written_has_no_selector(filled: Project) -> None:
    """Otherwise a check of all selectors would be content, and the list anybody's."""
    assert filled.run("resolve", *DAY).code == 0
    rows = "studiesId\n1.2.2\n"
    (filled.folder / "specs" / "resolved" / "more.csv").write_text(rows)
    pin = hashlib.sha256(rows.encode()).hexdigest()
    text = re.sub("sha256: [0-9a-f]{64}", f"sha256: {pin}", filled.pinned("old"))
    more = filled.folder / "specs" / "resolved" / "more.yaml"
    more.write_text(text.replace("old.csv", "more.csv"))

    assert filled.run("resolve", "--check").code == 0
    done = filled.run("plan")
    assert done.code == 1
    assert re.search(
        r"specs/resolved/more\.yaml:\d+:\d+: the list of selectors/old\.yaml belongs in"
        r" specs/resolved/old\.yaml",
        done.err,
    )
    more.unlink()
    assert filled.run("plan").code == 0


@pytest.mark.parametrize(
    ("day", "said"),
    [("2999-01-01", "resolved for a day to come"), ("2025-02-30", "is not a day of the calendar")],
)
def test_a_list_of_a_day_to_come_is_refused_and_its_check_fails(
    filled: Project, day: str, said: str
) -> None:
    shown = filled.run("resolve", "--diff", "--as-of", "2999-01-01").out.splitlines()
    rows = [line[1:] for line in shown if line.startswith("+1.2.")]
    assert rows == ["1.2.1", "1.2.2"]
    text = "".join(
        f"{line[1:]}\n" for line in shown if line.startswith("+") and line[1] not in "+1"
    )
    folder = filled.folder / "specs" / "resolved"
    folder.mkdir()
    (folder / "old.yaml").write_text(text.replace("2999-01-01", day))
    (folder / "old.csv").write_text("studiesId\n1.2.1\n1.2.2\n")
    assert filled.run("resolve", "--check").code == 2
    for command in ("plan", "validate"):
        done = filled.run(command)
        assert done.code == 1
        assert re.search(rf"specs/resolved/old\.yaml:\d+:\d+: .*{said}", done.err)
