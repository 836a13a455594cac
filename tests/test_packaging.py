"""The package is whole however it is installed, and what is installed is ours."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
SCHEMAS = sorted(path.name for path in (ROOT / "schemas").glob("*.json"))
LOADS_A_SCHEMA = (
    "from reconciler.desired import desired_state_schema; print(desired_state_schema()['title'])"
)
PAGE_PARTS = ("base.html", "plan.html", "page.css", "page.js")


def tracked() -> set[str]:
    """The files that git holds."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    return {*listed.stdout.decode().split("\0")} - {""}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist, and a wheel that is built from it, as a release does."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.mark.slow
def test_wheel_and_sdist_hold_every_schema_as_a_file(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert {f"reconciler/reporting/templates/{part}" for part in PAGE_PARTS} <= set(names)
        assert "reconciler/py.typed" in names
        assert [f"reconciler/schemas/{name}" in names for name in SCHEMAS] == [True] * len(SCHEMAS)
        schema = archive.read("reconciler/schemas/desired-state.schema.json")
        assert schema == (ROOT / "schemas" / "desired-state.schema.json").read_bytes()
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"schemas/{name}" for name in SCHEMAS} <= members


@pytest.mark.slow
def test_the_sdist_holds_the_whole_checkout(built: Path) -> None:
    """Its tests read the action, the templates, the documentation and the scripts."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = {name.partition("/")[2] for name in archive.getnames()}
    # The link to the schemas is followed: there they are files.
    assert tracked() - members == {"reconciler/schemas"}


def test_this_installation_finds_its_schemas(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADS_A_SCHEMA],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip()


def test_nothing_installs_the_project_of_a_stranger() -> None:
    """On the package index the bare name of our command is another project."""
    bare = "reconc" + "iler"
    installs = re.compile(
        rf"(?<![\w.-]){bare}(?:\[\w|\s*@\s|[=~<>!]=)|pip install\b[^\n`]*[\s'\"]{bare}(?![\w/-])"
    )
    for name in sorted(tracked()):
        path = ROOT / name
        if name == "CHANGELOG.md" or not path.is_file():
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        assert not installs.search(text), name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (project["name"], [*project["scripts"]]) == (f"dicom-{bare}", [bare])


def test_the_lock_has_every_dependency_with_its_hashes() -> None:
    text = (ROOT / "requirements.txt").read_text()
    locked = {}
    for entry in re.split(r"\n(?=\S)", text.partition("\n")[2].strip()):
        requirement = Requirement(entry.partition("\\\n")[0])
        assert "--hash=sha256:" in entry, requirement
        (version,) = requirement.specifier
        locked[requirement.name] = version.version
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*pyproject["project"]["dependencies"], *pyproject["build-system"]["requires"]]
    for requirement in map(Requirement, wanted):
        assert locked[requirement.name] in requirement.specifier, "run script/lock"
