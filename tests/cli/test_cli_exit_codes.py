"""Every row of docs/reference/exit-codes.md, brought about."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.cli.main import group
from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.errors import ExitCode
from reconciler.journal.places.locks import hold_locks
from reconciler.model.lock import Holder

from .conftest import LIMITS_OPEN, REASON, Project, removal

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "exit-codes.md"
Row = tuple[str, int]
Scenario = Callable[[Project], int]

SCENARIOS: dict[Row, Scenario] = {}
"""What brings each row about; gives the code that the program ended with."""


def row(command: str, code: int) -> Callable[[Scenario], Scenario]:
    def note(scenario: Scenario) -> Scenario:
        SCENARIOS[command, code] = scenario
        return scenario

    return note


def rows() -> list[Row]:
    cells = re.findall(r"^\| `([\w-]+)` \| (\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    return [(command, int(code)) for command, code in cells]


@pytest.mark.parametrize(("command", "code"), rows())
def test_the_row_is_true(project: Project, command: str, code: int) -> None:
    assert SCENARIOS[command, code](project) == code


def test_the_table_is_whole() -> None:
    assert sorted(rows()) == sorted(SCENARIOS)
    described = {command for command, _ in rows()} | {"emulator", "demo", "selftest"}
    assert described == set(group.list_commands(None))  # type: ignore[arg-type]  # it asks no context
    assert {code for _, code in rows()} == set(ExitCode)


# What there is to work on


def some(project: Project) -> Project:
    """Three of ten instances are to be removed."""
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 11))[:3]))
    return project


def planned(project: Project) -> Project:
    assert some(project).run("plan", "--out", "plan.json").code == 0
    return project


def edited(project: Project) -> Project:
    plan = planned(project).folder / "plan.json"
    plan.write_text(plan.read_text("utf-8").replace('"kept":0', '"kept":1', 1), encoding="utf-8")
    return project


def refusing(project: Project) -> Project:
    """Everything of a series is to be removed, which its gates do not let pass."""
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 4))))
    return project


def broken(project: Project) -> Project:
    project.write("a.yaml", "remove:\n  - studiesId: 1..2\n")
    return project


def faulty(project: Project, method: str | None = None) -> Project:
    rule = FaultRule(FaultKind.STATUS, method, status=403)
    project.emulator.set_faults(Faults((rule,)))
    return project


def restorable(project: Project) -> tuple[Project, str]:
    """Three instances are archived and deleted; gives the run that did it."""
    instances = project.fill(1, 1, range(1, 11))[:3]
    archive = project.folder.parent / "archive"
    archive.mkdir()
    project.write("a.yaml", f"{REASON}archive: {{path: {archive}}}\n" + removal(instances))
    applied = project.run("apply", "--auto-approve", "--report", "report.json")
    assert applied.code == 0, applied.err
    return project, json.loads(Path("report.json").read_text())["run"]


def locked(project: Project, *command: str) -> int:
    state = project.folder / ".reconciler"
    with hold_locks(state, [project.store], holder=Holder("run-1", "ada", "h", 7), since="now"):
        return project.run(*command).code


def signalled(project: Project, number: signal.Signals, *command: str, method: str) -> int:
    """The code of a process that got the signal while a request was on its way."""
    rule = FaultRule(FaultKind.LATENCY, method, seconds=0.5)
    project.emulator.set_faults(Faults((rule,)))
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", *command, "--parallelism", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while not any(one.method == method for one in project.emulator.requests()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    return process.wait(60)


# The rows


@row("validate", 0)
def _(project: Project) -> int:
    return some(project).run("validate").code


@row("validate", 1)
def _(project: Project) -> int:
    return broken(project).run("validate").code


@row("fmt", 0)
def _(project: Project) -> int:
    some(project).run("fmt")
    return project.run("fmt", "--check").code


@row("fmt", 1)
def _(project: Project) -> int:
    return broken(project).run("fmt").code


@row("fmt", 3)
def _(project: Project) -> int:
    project.write("a.yaml", "remove:   []\n")
    return project.run("fmt", "--check").code


@row("import", 0)
def _(project: Project) -> int:
    return some(project).run("import", str(project.store), "--out", "specs/keep.yaml").code


@row("import", 1)
def _(project: Project) -> int:
    return faulty(project).run("import", str(project.store)).code


RULE = "select: {level: study, studyDate: {olderThan: 1y}}\n"


def selecting(project: Project, body: str = RULE) -> Project:
    """A selector, over a store that holds something."""
    path = project.write("a.yaml", body + "then: {keep: {}}\n")
    project.fill(1, 1, [1])
    (project.folder / "selectors").mkdir()
    path.rename(project.folder / "selectors" / "a.yaml")
    return project


@row("resolve", 0)
def _(project: Project) -> int:
    assert selecting(project).run("resolve", "--diff").code == 0
    assert project.run("resolve").code == 0
    return project.run("resolve", "--check").code


@row("resolve", 1)
def _(project: Project) -> int:
    assert selecting(project, "select: {level: study}\n").run("resolve").code == 1
    return faulty(project).run("resolve").code


@row("resolve", 2)
def _(project: Project) -> int:
    return selecting(project).run("resolve", "--check").code


def keyed(project: Project, stdin: str) -> int:
    """The code of a process that got this on stdin."""
    key = project.folder / "patient.key"
    key.write_text("ab" * 32)
    command = [sys.executable, "-m", "reconciler", "pseudonym", "--patient-key", str(key)]
    return subprocess.run(command, input=stdin.encode("latin-1"), check=False).returncode


@row("pseudonym", 0)
def _(project: Project) -> int:
    return keyed(project, "P1\n")


@row("pseudonym", 1)
def _(project: Project) -> int:
    assert project.run("pseudonym").code == 1
    return keyed(project, "\xff\n")


@row("plan", 0)
def _(project: Project) -> int:
    return some(project).run("plan").code


@row("plan", 1)
def _(project: Project) -> int:
    assert broken(project).run("plan").code == 1
    return faulty(some(project)).run("plan").code


@row("plan", 2)
def _(project: Project) -> int:
    return some(project).run("plan", "--detailed-exitcode").code


@row("plan", 3)
def _(project: Project) -> int:
    assert refusing(project).run("plan").code == 3
    return project.run("plan", "--detailed-exitcode").code


@row("show", 0)
def _(project: Project) -> int:
    refusing(project).run("plan", "--out", "plan.json")
    return project.run("show", "plan.json").code


@row("show", 1)
def _(project: Project) -> int:
    return project.run("show", some(project).folder / "specs" / "a.yaml").code


@row("show", 3)
def _(project: Project) -> int:
    return edited(project).run("show", "plan.json").code


@row("filter-file", 0)
def _(project: Project) -> int:
    return planned(project).run("filter-file", "plan.json").code


@row("filter-file", 1)
def _(project: Project) -> int:
    return project.run("filter-file", "no-such.json").code


@row("filter-file", 3)
def _(project: Project) -> int:
    return edited(project).run("filter-file", "plan.json").code


@row("apply", 0)
def _(project: Project) -> int:
    return planned(project).run("apply", "plan.json").code


@row("apply", 1)
def _(project: Project) -> int:
    assert project.run("apply", "no-such.json").code == 1
    return faulty(planned(project)).run("apply", "plan.json").code


@row("apply", 3)
def _(project: Project) -> int:
    assert edited(project).run("apply", "plan.json").code == 3
    assert project.run("apply", "specs", "--auto-approve", "--expect-digest", "sha256:0").code == 3
    assert project.run("apply", "specs").code == 3, "cannot ask for a yes"
    project.run("plan", "--out", "plan.json")
    project.write("b.yaml", "keep: []\n")
    return project.run("apply", "plan.json").code


@row("apply", 4)
def _(project: Project) -> int:
    return faulty(planned(project), "DELETE").run("apply", "plan.json").code


@row("apply", 5)
def _(project: Project) -> int:
    return locked(planned(project), "apply", "plan.json")


@row("apply", 130)
def _(project: Project) -> int:
    planned(project)
    return signalled(project, signal.SIGINT, "apply", "plan.json", method="DELETE")


@row("apply", 143)
def _(project: Project) -> int:
    planned(project)
    return signalled(project, signal.SIGTERM, "apply", "plan.json", method="DELETE")


def interrupted(project: Project) -> Project:
    assert signalled(planned(project), signal.SIGINT, "apply", "plan.json", method="DELETE") == 130
    return project


@row("beam", 1)
def _(project: Project) -> int:
    return planned(project).run("beam", "plan.json", "--tasks", "2").code


@row("status", 0)
def _(project: Project) -> int:
    return interrupted(project).run("status").code


@row("status", 1)
def _(project: Project) -> int:
    (entry,) = (interrupted(project).folder / ".reconciler" / "runs" / "log").iterdir()
    entry.write_text("{}")
    return project.run("status").code


@row("status", 2)
def _(project: Project) -> int:
    return interrupted(project).run("status", "--detailed-exitcode").code


def where(project: Project, instances: int) -> str:
    """The condition of a statement on a series of so many instances, all of them named."""
    filled = project.fill(1, 1, range(1, instances + 1))
    names = ", ".join(f"'{one.instance_uid}'" for one in filled[:1])
    address = {**project.store.as_parameters()}
    address |= {"studiesId": filled[0].study_uid, "seriesId": filled[0].series_uid}
    parts = [f"{name} = '{value}'" for name, value in address.items()]
    return " AND ".join([*parts, f"instancesId IN ({names})"])


DELETE = "DELETE FROM google.healthcare.instances WHERE "


@row("query", 0)
def _(project: Project) -> int:
    assert project.run("query", "DESCRIBE google.healthcare.instances").code == 0
    return project.run("query", DELETE + where(project, 3), "--reason", "113039").code


@row("query", 1)
def _(project: Project) -> int:
    return project.run("query", "DROP TABLE google.healthcare.instances").code


@row("query", 3)
def _(project: Project) -> int:
    return project.run("query", DELETE + where(project, 1), "--reason", "113039").code


@row("restore", 0)
def _(project: Project) -> int:
    project, run = restorable(project)
    return project.run("restore", run).code


@row("restore", 1)
def _(project: Project) -> int:
    return project.run("restore", "20260301T090000Z-1f2e3d4c").code


@row("restore", 3)
def _(project: Project) -> int:
    (project.folder / ".reconciler").symlink_to("elsewhere")
    return project.run("restore", "20260301T090000Z-1f2e3d4c").code


@row("restore", 4)
def _(project: Project) -> int:
    project, run = restorable(project)
    for file in (project.folder.parent / "archive").rglob("*.dcm"):
        file.unlink()
    assert project.run("restore", run, "--dry-run").code == 4
    return project.run("restore", run).code


@row("restore", 5)
def _(project: Project) -> int:
    project, run = restorable(project)
    return locked(project, "restore", run)


@row("schema", 0)
def _(project: Project) -> int:
    return project.run("schema", "plan").code


@row("schema", 1)
def _(project: Project) -> int:
    return project.run("schema", "no-such").code


@row("completion", 0)
def _(project: Project) -> int:
    return project.run("completion", "fish").code


@row("completion", 1)
def _(project: Project) -> int:
    return project.run("completion", "tcsh").code


# What stands below the table


def test_a_mistyped_command_line_is_an_error_and_never_pending(project: Project) -> None:
    for typed in (["plna"], ["plan", "--detailed-exitcod"], ["show"], []):
        assert project.run(*typed).code == ExitCode.ERROR


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_restore_with_its_code(
    project: Project, number: signal.Signals, code: int
) -> None:
    project, run = restorable(project)
    project.emulator.clear_requests()
    assert signalled(project, number, "restore", run, method="POST") == code


def test_a_plan_that_was_applied_before_ends_as_it_did(project: Project) -> None:
    faulty(planned(project), "DELETE").run("apply", "plan.json")
    project.emulator.set_faults(Faults())
    assert project.run("apply", "plan.json").code == ExitCode.INCOMPLETE


def test_limits_are_not_in_the_way_of_what_the_rows_show(project: Project) -> None:
    """The blocking gates of the rows are those of a file without limits, and passed with them."""
    instances = project.fill(1, 1, range(1, 4))
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(instances))
    assert project.run("plan").code == ExitCode.SUCCESS


@row("state", 0)
def _(project: Project) -> int:
    planned(project)
    (project.folder / "bucket").mkdir()
    return project.run("state", "copy", ".reconciler", (project.folder / "bucket").as_uri()).code


@row("state", 1)
def _(project: Project) -> int:
    return project.run("state", "check", "ftp://bucket/prefix").code


@row("state", 3)
def _(project: Project) -> int:
    (project.folder / "bucket").mkdir()
    bucket = (project.folder / "bucket").as_uri()
    return project.run("state", "unlock", str(project.store), "--state", bucket).code


@row("audit", 0)
def _(project: Project) -> int:
    planned(project)
    return project.run("audit", "verify").code


@row("audit", 1)
def _(project: Project) -> int:
    return project.run("audit", "verify", "no-such-run").code


@row("audit", 3)
def _(project: Project) -> int:
    planned(project)
    return project.run("audit", "verify", "--head", "0" * 64).code
