"""Places that are odd: streams that are closed, folders that are gone, what is no regular file.

Tried out: without `_open_closed_streams`, `_require_working_directory`, the look of `_PathType`,
`_is_replaced`, `_descriptor`, or with plain `open` in place of `open_regular`, tests of this file
fail.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.api.destination import open_destination, require_writable, write_file
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model.address import InstanceAddress

from ..sampling import some
from .conftest import LIMITS_OPEN, REASON, Answer, Project, removal

LONG = "d/" * 2500 + "f"
COMMANDS = [
    ("validate",),
    ("fmt", "--check"),
    ("plan", "--out", "other.json"),
    ("show", "plan.json"),
    ("filter-file", "plan.json"),
    ("apply", "plan.json"),
    ("query", "DESCRIBE google.healthcare.instances"),
    ("restore", "20260101T000000Z-00000000"),
    ("audit", "report"),
    ("audit", "verify"),
    ("audit", "export"),
    ("schema", "plan"),
    ("completion", "bash"),
    ("import", "projects/demo-project/locations/europe-west4/datasets/demo-dataset/dicomStores/s"),
    ("no-such-command",),
    ("--help",),
]


@pytest.fixture
def planned(project: Project) -> list[InstanceAddress]:
    held = project.fill(1, 1, range(1, 6))
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(held))
    assert project.run("plan", "--out", "plan.json").code == 0
    return held


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let a shell run the program, with what it does to streams and folders."""
    command = f'reconciler() {{ "{sys.executable}" -m reconciler "$@"; }}; {script}'
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def text(arguments: Sequence[str]) -> str:
    return " ".join(f"'{one}'" for one in arguments)


@pytest.mark.parametrize("closed", some([">&-", "<&-", "2>&-"]))
@pytest.mark.usefixtures("planned")
def test_a_closed_stream_changes_no_exit_code(project: Project, closed: str) -> None:
    for arguments in (("plan",), ("show", "plan.json"), ("schema", "plan"), ("--help",)):
        done = shell(f"reconciler {text(arguments)} {closed}", project.folder)
        assert "Traceback" not in done.stderr + done.stdout
        assert done.returncode == 0, arguments


@pytest.mark.slow
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.usefixtures("planned")
def test_no_command_needs_a_stream(project: Project, arguments: tuple[str, ...]) -> None:
    odd = shell(f"reconciler {text(arguments)} <&- >&- 2>&-", project.folder)
    plain = shell(f"reconciler {text(arguments)}", project.folder)
    assert "Traceback" not in plain.stderr
    assert odd.returncode == plain.returncode


@pytest.mark.usefixtures("planned")
def test_nothing_that_is_printed_gets_into_a_file_of_the_record(project: Project) -> None:
    """A closed descriptor would be that of the next file."""
    done = shell("reconciler apply plan.json --report report.json <&- >&- 2>&-", project.folder)
    assert done.returncode == 0
    assert json.loads((project.folder / "report.json").read_text())["exit_code"] == 0
    assert project.run("audit", "verify").code == 0


def test_a_working_directory_that_is_gone(tmp_path: Path) -> None:
    for arguments in COMMANDS[::4]:
        gone = tmp_path / "gone"
        gone.mkdir()
        done = shell(f"rmdir {gone}; reconciler {text(arguments)}", gone)
        assert done.returncode == 1
        assert done.stderr.startswith("error: the working directory no longer exists")


PATHS = [
    ("validate", LONG),
    ("validate", "--root", LONG),
    ("validate", "--write", f"json={LONG}"),
    ("fmt", LONG),
    ("plan", LONG),
    ("plan", "--out", LONG),
    ("plan", "--state", LONG),
    ("plan", "--events", LONG),
    ("show", LONG),
    ("filter-file", LONG),
    ("filter-file", "plan.json", "--out", LONG),
    ("apply", LONG),
    ("apply", "plan.json", "--report", LONG),
    ("apply", "plan.json", "--patient-key", LONG),
    ("query", "--file", LONG),
    ("query", "DESCRIBE google.healthcare.instances", "--out", LONG),
    ("restore", "R", "--report", LONG),
    ("audit", "report", "--write", f"html={LONG}"),
    ("audit", "verify", "--state", LONG),
    ("audit", "export", "--out", LONG),
    ("audit", "sign", "--key", LONG),
    ("emulator", "--data", LONG),
    ("emulator", "--faults", LONG),
    ("demo", "--dir", LONG),
]


@pytest.mark.parametrize("arguments", PATHS, ids=lambda arguments: " ".join(arguments)[:30])
@pytest.mark.parametrize("path", some([LONG, "x" * 5000, "/" + "y" * 300]))
@pytest.mark.usefixtures("planned")
def test_a_path_that_is_too_long(project: Project, arguments: tuple[str, ...], path: str) -> None:
    answer = project.run(*(one.replace(LONG, path) for one in arguments))
    assert answer.code != 0
    assert answer.err.splitlines()[0].startswith("error: ")
    assert not project.deletes()


@pytest.mark.parametrize("path", [LONG, "x" * 5000])
def test_a_path_in_a_file_that_is_too_long(project: Project, path: str) -> None:
    series = "  - studiesId: 1.2\n    seriesId: 1.2.3\n"
    pin = f"    instances: {{path: {path}.csv, sha256: {'0' * 64}, count: 1}}\n"
    project.write("a.yaml", f"archive: {{path: /{path}}}\n{REASON}remove:\n{series}{pin}")
    answer = project.run("plan")
    assert answer.code != 0
    assert "specs/a.yaml:" in answer.err


# What is written


def fifo_of(folder: Path) -> tuple[Path, threading.Thread, list[str]]:
    """A FIFO with somebody who reads it to its end."""
    path = folder / "fifo"
    os.mkfifo(path)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(path.read_text()), daemon=True)
    reader.start()
    return path, reader, read


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "--out", "fifo"),
        ("plan", "--write", "json=fifo"),
        ("plan", "--events", "fifo"),
        ("show", "plan.json", "--write", "html=fifo"),
        ("filter-file", "plan.json", "--out", "fifo"),
        ("apply", "plan.json", "--report", "fifo"),
        ("apply", "plan.json", "--write", "markdown=fifo"),
    ],
)
@pytest.mark.usefixtures("planned")
def test_a_fifo_is_written_into(project: Project, arguments: tuple[str, ...]) -> None:
    path, reader, read = fifo_of(project.folder)
    assert project.run(*arguments).code == 0
    reader.join(10)
    assert stat.S_ISFIFO(path.lstat().st_mode)
    assert len(read[0]) > 10


@pytest.fixture
def null(tmp_path: Path) -> Path:
    """A device like /dev/null, of the test's own."""
    path = tmp_path / "null"
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        path.open("w").close()
    except OSError:
        pytest.skip("devices can be made by root only")
    return path


def test_a_device_stays_what_it_is(tmp_path: Path, null: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(null)
    for path in (null, link):
        require_writable(path)
        write_file(path, ["text"])
        with open_destination(path) as file:
            file.write("text")
    assert stat.S_ISCHR(null.lstat().st_mode)
    assert link.is_symlink()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link", "null"]


def test_a_link_leads_to_the_file_that_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link"
    link.symlink_to("folder/file")
    for written in ("first", "second"):
        require_writable(link)
        write_file(link, [written])
        assert link.is_symlink()
        assert (tmp_path / "folder/file").read_text() == written


@pytest.mark.parametrize(
    "name", some(["/dev/stdout", "/dev/fd/1", "link", "/proc/self/fd/1"], each=2)
)
@pytest.mark.usefixtures("planned")
def test_standard_output_by_name(project: Project, name: str) -> None:
    """To a file as to a pipe: what stands there stays, and so does what follows."""
    (project.folder / "link").symlink_to("/dev/stdout")
    command = f"{{ echo before; reconciler filter-file plan.json --out {name}; echo after; }}"
    piped = shell(f"{command} | cat", project.folder).stdout
    shell(f"{command} > out.txt", project.folder)
    assert (project.folder / "out.txt").read_text() == piped
    assert piped.startswith("before\n")
    assert piped.endswith("after\n")
    assert len(piped.splitlines()) > 2


def test_what_cannot_be_written_is_said_beforehand(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    (tmp_path / "file").touch()
    for path in (loop, tmp_path, tmp_path / "file/inside", tmp_path / "none/inside"):
        with pytest.raises(UsageError, match="cannot write"):
            require_writable(path)
        with pytest.raises(ReconcilerError, match="cannot write"):
            write_file(path, ["text"])


OTHER_DESCRIPTORS = ["/dev/stdin", "/dev/fd/9", "/dev/fd/" + "9" * 30, f"/dev/fd/../fd/{'9' * 250}"]


@pytest.mark.parametrize("name", some(OTHER_DESCRIPTORS), ids=lambda name: name[:10])
@pytest.mark.usefixtures("planned")
def test_a_descriptor_that_takes_nothing_is_refused_before_anything_happens(
    project: Project, name: str
) -> None:
    for command in (
        "apply plan.json --events new.jsonl --report",
        "apply plan.json --events",
        "plan --out",
        "plan --events",
    ):
        done = shell(f"reconciler {command} {name} < plan.json 9>&-", project.folder)
        assert done.returncode == 1, command
        assert done.stderr.startswith(f"error: cannot write {name}: ")
        assert len(done.stderr.splitlines()) == 1
    assert not project.deletes()
    assert not (project.folder / "new.jsonl").exists()


@pytest.mark.usefixtures("planned")
def test_a_descriptor_of_the_programs_own_files_is_none_of_the_callers(project: Project) -> None:
    command = "reconciler apply plan.json --events events.jsonl --report /dev/fd/3 3>&-"
    done = shell(command, project.folder)
    assert done.returncode == 1, done
    assert "cannot write /dev/fd/3" in done.stderr
    assert not project.deletes()


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    write_file(path, ["text"])
    assert path.read_text() == "text"


# What is read


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "odd"),
        ("validate", "odd.yaml"),
        ("apply", "odd.json"),
        ("filter-file", "odd"),
        ("apply", "plan.json", "--patient-key", "odd"),
        ("audit", "verify", "--signature", "odd", "--public-key", "odd"),
        ("audit", "export", "--format", "fhir", "--patients", "odd"),
        ("query", "--file", "odd"),
        ("emulator", "--faults", "odd"),
        ("import", "projects/p/locations/l/datasets/d/dicomStores/s", "--csv", "odd"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("planned")
def test_a_fifo_is_not_waited_for(project: Project, arguments: tuple[str, ...]) -> None:
    for name in ("odd", "odd.json", "odd.yaml"):
        os.mkfifo(project.folder / name)
    answer = within(60, project, arguments)
    assert answer.code == 1
    assert "it is not a regular file" in answer.err


@pytest.mark.parametrize("place", ["locks/x.lock", "runs/x.jsonl", "plans/x", "delivered/x"])
@pytest.mark.usefixtures("planned")
def test_a_fifo_in_the_state_folder_is_not_waited_for(project: Project, place: str) -> None:
    odd = project.folder / ".reconciler" / place
    odd.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(odd)
    for arguments in (("plan",), ("apply", "plan.json"), ("audit", "verify"), ("audit", "report")):
        answer = within(60, project, arguments)
        assert answer.code == 3
        assert "is neither a file nor a folder" in answer.err


def within(seconds: float, project: Project, arguments: tuple[str, ...]) -> Answer:
    """The answer to a command that must end in time."""
    answers: list[Answer] = []
    worker = threading.Thread(target=lambda: answers.append(project.run(*arguments)), daemon=True)
    worker.start()
    worker.join(seconds)
    assert answers, "it waits"
    return answers[0]


@pytest.mark.parametrize(
    "typed",
    [
        ["plan", "specs/a.yaml", "--out", "specs/a.yaml"],
        ["plan", "specs/a.yaml", "--write", "sarif=specs/../specs/a.yaml"],
        ["plan", "specs/a.yaml", "--events", "link"],
        ["apply", "specs/a.yaml", "--report", "specs/a.yaml"],
        ["apply", "plan.json", "--report", "plan.json"],
        ["apply", "plan.json", "--events", "plan.json"],
        ["apply", "plan.json", "--write", "markdown=plan.json"],
        ["show", "plan.json", "--write", "html=plan.json"],
    ],
)
def test_no_output_replaces_what_is_read(project: Project, typed: list[str]) -> None:
    """A plan in shards could not be resumed without its manifest."""
    (project.folder / "specs").mkdir(exist_ok=True)
    (project.folder / "link").symlink_to("specs/a.yaml")
    files = [project.folder / "specs/a.yaml", project.folder / "plan.json"]
    for file in files:
        file.write_text("mine")
    answer = project.run(*typed)
    assert (answer.code, "it is an input" in answer.err) == (1, True), answer
    assert [file.read_text() for file in files] == ["mine", "mine"]
