"""Progress: a bar on a terminal, a line every ten seconds elsewhere, nothing for what is quick."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from reconciler.cli.output import progress

from .conftest import LIMITS_OPEN, REASON, Project, address, removal

STEP = """
import sys, time
from reconciler.cli.output import bar, progress
progress._LINE_SECONDS = 0.5
bar._SHOWN_AFTER *= float(sys.argv[2])
with progress.progress("deleting") as counter:
    for done in range(1, 101):
        counter.update(done, 100)
        time.sleep(float(sys.argv[1]) / 100)
"""


def on_a_terminal(seconds: float, *, slowness: int = 1) -> str:
    """What such a step shows; on a machine that slow, a bar comes that much later."""
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-c", STEP, str(seconds), str(slowness)], stderr=slave, env=environment
    ) as process:
        os.close(slave)
        shown = b""
        while True:
            try:
                piece = os.read(master, 4096)
            except OSError:
                break
            if not piece:
                break
            shown += piece
    os.close(master)
    assert process.returncode == 0
    return shown.decode()


def test_on_a_terminal_a_bar_tells_rate_and_remaining_time() -> None:
    shown = on_a_terminal(1.6)
    assert "deleting" in shown
    assert "of 100" in shown
    assert " per second" in shown
    assert "0:00:" in shown


def test_what_is_over_within_a_second_shows_no_bar() -> None:
    assert on_a_terminal(0.2, slowness=20) == ""


def test_elsewhere_a_line_tells_rate_and_remaining_time() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STEP, "0.8", "1"], capture_output=True, text=True, check=True
    )
    line = done.stderr.splitlines()[0]
    assert line.startswith("deleting: ")
    assert " of 100, " in line
    assert " per second, " in line
    assert line.endswith(" s left")


class Counted:
    """Takes the place of the lines, and notes which steps count something."""

    steps: ClassVar[set[str]]

    def __init__(self, title: str, _unit: object) -> None:
        self._title = title

    def update(self, done: int, total: int | None) -> None:
        assert done >= 0
        self.steps.add(self._title)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The titles of the steps that were counted; empty it before a command."""
    monkeypatch.setattr(progress, "_Lines", Counted)
    monkeypatch.setattr(Counted, "steps", set(), raising=False)
    return Counted.steps


KEY = "ab" * 32


def test_whatever_may_take_long_counts_what_it_does(
    project: Project, steps: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command that reads a store, the record, a plan or a list, on little of each."""
    removed = project.fill(1, 1, [1, 2])
    archive = f"archive: {{path: {tmp_path / 'archive'}}}\n"
    project.write("a.yaml", archive + REASON + LIMITS_OPEN + removal(removed))
    (tmp_path / "list.csv").write_text(f"Study\n{address(1, 1, 1).study_uid}\n")
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "copy").mkdir(mode=0o700)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", "key.pem"], check=True)

    def counted(*arguments: str, code: int = 0) -> set[str]:
        steps.clear()
        answer = project.run(*arguments)
        assert answer.code == code, answer.err
        return set(steps)

    store = str(project.store)
    assert counted("validate") == {"reading files"}
    assert counted("import", store) == {"listing studies", "reading studies"}
    listed = ("--csv", str(tmp_path / "list.csv"), "--column", "studiesId=Study")
    assert counted("import", store, *listed) == {"reading rows"}
    assert {"reading files", "looking at demo-store"} <= counted("plan", "--out", "plan.json")
    assert counted("show", "plan.json") == {"reading plan.json"}
    images = ("--thumbnails", "--write", "html=plan.html")
    assert counted("show", "plan.json", *images) == {"reading plan.json", "fetching images"}
    assert {"reading plan.json", "deleting"} <= counted("apply", "plan.json")
    assert counted("audit", "verify") == {"reading the record"}
    assert counted("audit", "report") == {"reading the record"}
    assert counted("audit", "sign", "--key", "key.pem", "--out", "h") == {"reading the record"}
    assert counted("audit", "export", "--format", "csv") == {"reading the record"}
    copied = ("state", "copy", ".reconciler", (tmp_path / "copy").as_uri())
    assert counted(*copied) == {"copying the record", "reading the copy"}
    (run,) = (project.folder / ".reconciler" / "runs").glob("*.jsonl")
    assert counted("restore", run.stem) == {"restoring"}
    where = "".join(f"{key} = '{value}' AND " for key, value in _parameters(project).items())
    sql = f"SELECT * FROM google.healthcare.instances WHERE {where[:-5]}"
    assert counted("query", sql, "--format", "json") == {"retrieving"}
    stdin = io.TextIOWrapper(io.BytesIO(b"PAT-1\nPAT-2\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert counted("pseudonym", "--patient-key", str(tmp_path / "key")) == {"reading ids"}


def _parameters(project: Project) -> dict[str, str]:
    return {**project.store.as_parameters(), **address(1, 1, 1).as_parameters()}


def test_a_counter_that_goes_on_after_its_step_shows_nothing() -> None:
    code = (
        "from reconciler.cli.output import bar, progress; bar._SHOWN_AFTER = 0.0\n"
        "with progress.progress('reading') as counter: counter.update(1, 2)\n"
        "counter.update(2, 2)\nassert not counter._progress.live.is_started"
    )
    master, slave = pty.openpty()
    done = subprocess.run([sys.executable, "-c", code], stderr=slave, check=False)
    os.close(slave)
    os.close(master)
    assert done.returncode == 0
