"""The tutorial and the how-to guides are run as they stand, each against a filled store."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from reconciler.emulator import DEMO_STORE, EmulatorSettings, running_emulator

from .answer import Answer, typed_at

DOCS = Path(__file__).parents[1] / "docs"
GUIDES = [DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("*.md"))]

STORED_FILES = (
    "JPEG-lossy.dcm",
    "JPEG2000.dcm",
    "MR_small.dcm",
    "dicomdirtests/77654033/CT2/17106",
    "dicomdirtests/77654033/CT2/17136",
    "dicomdirtests/77654033/CT2/17166",
    "dicomdirtests/77654033/CT2/17196",
)
"""What the studies that the guides name hold, as the demo leaves them."""

BLOCK = re.compile(
    r"(?:[Ss]ave (?:this|the list) as `(?P<name>[^`]+)`(?:(?!```)[\s\S])*?)?"
    r"^```(?P<language>yaml|csv|console|python)\n(?P<text>[\s\S]*?)^```$",
    re.MULTILINE,
)


NOTEBOOKS_STORE = "http://127.0.0.1:8042"

SHELL = {"chmod", "grep", "mkdir", "openssl", "python", "rm"}
"""What a guide types beside the program; so that no id stands in one, it reads a sample file."""


@pytest.mark.parametrize("guide", GUIDES, ids=[guide.stem for guide in GUIDES])
def test_a_guide_does_what_it_says(
    guide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is saved and every command typed in order; every line shown is one answered.

    Python runs in this process, block after block, as the cells of a notebook do.
    """
    project, archive = tmp_path / "project", tmp_path / "archive"
    (project / "specs").mkdir(parents=True)
    typed = 0
    variables: dict[str, object] = {}
    monkeypatch.chdir(project)
    with running_emulator(EmulatorSettings(tmp_path / "store")) as emulator:
        with resources.as_file(resources.files("pydicom.data") / "test_files") as files:
            for name in STORED_FILES:
                emulator.ingest(DEMO_STORE, files / name)
        removed = {"GOOGLE_APPLICATION_CREDENTIALS", "RECONCILER_STATE"}
        inherited = {name: value for name, value in os.environ.items() if name not in removed}
        environment = inherited | {"RECONCILER_ENDPOINT": emulator.url}
        for block in BLOCK.finditer(guide.read_text(encoding="utf-8")):
            text = block["text"].replace("/srv/dicom-archive", str(archive))
            if block["language"] == "python":
                exec(text.replace(NOTEBOOKS_STORE, emulator.url), variables)
            elif block["language"] != "console":
                assert block["name"], f"{guide.name} does not say where to save:\n{text}"
                file = project / block["name"]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            elif "script/demo" not in text:
                typed += type_session(text, project, environment, archive)
    assert typed >= 2


def type_session(text: str, project: Path, environment: dict[str, str], archive: Path) -> int:
    """Type the commands of a block; gives how many there were."""
    commands = text.removeprefix("$ ").split("\n$ ")
    for command in commands:
        line, *shown = command.strip("\n").splitlines()
        done = type_line(line, project, environment, archive)
        expected = re.search(r"# exit code (\d)$", line)
        assert done.code == int(expected[1] if expected else 0), done.out
        for answer in shown:
            assert answer in done.out.splitlines(), f"{line}: {answer}\n{done.out}"
    return len(commands)


def type_line(line: str, project: Path, environment: dict[str, str], archive: Path) -> Answer:
    program, *arguments = shlex.split(line, comments=True)
    if program in SHELL or {"<", ">"} & set(arguments):
        return typed_in_a_shell(line, project, environment)
    assert program == "reconciler"
    if "RUN" in arguments:
        (bag,) = archive.iterdir()
        arguments[arguments.index("RUN")] = bag.name
    return typed_at(project, environment, *arguments)


def typed_in_a_shell(line: str, project: Path, environment: dict[str, str]) -> Answer:
    path = os.pathsep.join((str(Path(sys.executable).parent), environment["PATH"]))
    done = subprocess.run(
        line,
        shell=True,
        cwd=project,
        env=environment | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Answer(done.returncode, done.stdout, "")
