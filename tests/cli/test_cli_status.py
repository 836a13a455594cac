"""What `reconciler status` says of records, locks and holds, without a process that dies."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.api import machine
from reconciler.api.listener import Listener
from reconciler.api.loading import read_history
from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.journal.history import History
from reconciler.journal.places.locks import hold_locks
from reconciler.journal.state import State
from reconciler.model.address import InstanceAddress
from reconciler.model.lock import Holder

from .conftest import REASON, Project, removal

SCHEMA = Path(__file__).parents[2] / "schemas" / "status.schema.json"
HERE = Holder("run-1", "ada", socket.gethostname(), os.getpid())
SINCE = "2026-03-01 09:00:00 UTC"


def status(project: Project, *options: str) -> Any:
    answer = project.run("status", "--format", "json", *options)
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    jsonschema.validate(found, json.loads(SCHEMA.read_text("utf-8")))
    return found


def unfinished(project: Project, *options: str) -> list[dict[str, Any]]:
    return list(status(project, *options)["unfinished"])


@pytest.fixture
def listed(project: Project) -> list[InstanceAddress]:
    """Ten instances in the store; the file removes the first four."""
    held = project.fill(1, 1, range(1, 11))
    project.write("a.yaml", REASON + removal(held[:4]))
    return held


def stopped(project: Project, *command: str) -> None:
    """An apply that ends before its time: nothing that it sends is answered as it should be."""
    rule = FaultRule(FaultKind.STATUS, "DELETE", status=403)
    project.emulator.set_faults(Faults((rule,)))
    answer = project.run(*command, "--stop-after-failures", "1", "--parallelism", "1")
    assert answer.code == 4, answer.err
    project.emulator.set_faults(Faults())


def test_a_project_without_anything_has_nothing_to_resume(project: Project) -> None:
    """No state folder and no specs folder are no error, and none is made."""
    (project.folder / "specs").rmdir()
    assert status(project, "--holds") == {
        "format_version": "1.0",
        "unfinished": [],
        "locks": [],
        "holds": [],
    }
    assert project.run("status", "--detailed-exitcode").code == 0
    assert not (project.folder / ".reconciler").exists()


def test_a_run_that_stopped_itself_is_unfinished_until_a_later_one_completes_it(
    project: Project, listed: list[InstanceAddress]
) -> None:
    assert project.run("plan", "--out", "plan.json").code == 0
    stopped(project, "apply", "plan.json")
    (first,) = unfinished(project)
    stopped(project, "apply", "plan.json")
    (second,) = unfinished(project)
    assert first["run"] != second["run"]
    assert first["plan_id"] == second["plan_id"]
    assert project.run("status", "--detailed-exitcode").code == 2
    word, *arguments = shlex.split(second["command"])
    assert word == "reconciler"
    assert project.run(*arguments).code == 0
    assert unfinished(project) == []


def test_the_hint_after_a_stop_leads_there(project: Project, listed: list[InstanceAddress]) -> None:
    rule = FaultRule(FaultKind.STATUS, "DELETE", status=403)
    project.emulator.set_faults(Faults((rule,)))
    answer = project.run("apply", "--auto-approve", "--stop-after-failures", "1")
    (line,) = [one for one in answer.err.splitlines() if one.startswith("to resume it, see: ")]
    word, *arguments = shlex.split(line.removeprefix("to resume it, see: "))
    assert word == "reconciler"
    assert "1 unfinished" in project.run(*arguments).out


def test_a_plan_that_came_to_its_end_is_over_even_if_something_failed(
    project: Project, listed: list[InstanceAddress]
) -> None:
    """Applied again it does nothing, so no command resumes it."""
    rule = FaultRule(FaultKind.STATUS, "DELETE", status=403)
    project.emulator.set_faults(Faults((rule,)))
    assert project.run("apply", "--auto-approve").code == 4
    assert unfinished(project) == []


def test_an_expired_plan_is_unfinished_while_an_attempt_is_open(
    project: Project, listed: list[InstanceAddress], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its command settles that. Tried out: without the expiry it is unfinished for ever."""
    assert project.run("apply", "--auto-approve").code == 0
    cut(project, after='"type":"intent"')
    (one,) = unfinished(project)
    assert one["expired"] is False
    later = machine.now() + timedelta(days=2)
    monkeypatch.setattr(machine, "now", lambda: later)
    assert unfinished(project) == [one | {"expired": True}]
    assert "this settles what is open" in project.run("status").out
    assert project.run(*shlex.split(one["command"])[1:]).code == 3
    assert unfinished(project) == []


def cut(project: Project, *, after: str) -> None:
    """Leave of the one run what a process leaves that dies after it wrote such a line."""
    (run,) = (project.folder / ".reconciler" / "runs").glob("*.jsonl")
    lines = run.read_text().splitlines(keepends=True)
    last = next(number for number, line in enumerate(lines) if after in line)
    run.write_text("".join(lines[: last + 1]))
    shutil.rmtree(run.parent / "log")  # a run gets into it only when it is over


@pytest.mark.parametrize("name", ["plan.json", "it's $HOME.json"])
def test_without_the_plan_the_command_says_what_it_takes(
    project: Project, listed: list[InstanceAddress], name: str
) -> None:
    """A state folder may have lost its plans; any file with the digest will do."""
    assert project.run("plan", "--out", name).code == 0
    stopped(project, "apply", name)
    (kept,) = (project.folder / ".reconciler" / "plans").iterdir()
    assert kept.read_bytes() == (project.folder / name).read_bytes()
    kept.unlink()
    (one,) = unfinished(project)
    assert one["command"].startswith(f"reconciler apply PLAN --expect-digest {one['digest']} ")
    arguments = shlex.split(one["command"].replace("PLAN", shlex.quote(name)))[1:]
    assert project.run(*arguments).code == 0
    assert unfinished(project) == []


# Locks


def test_a_lock_is_held_by_a_process_of_this_host_or_of_another(project: Project) -> None:
    state = project.folder / ".reconciler"
    far = Holder("run-2", "bob", "another-host", os.getpid())
    for holder, alive in ((HERE, True), (far, None)):
        with hold_locks(state, [project.store], holder=holder, since=SINCE):
            assert status(project)["locks"] == [
                {
                    "store": str(project.store),
                    "run": holder.run,
                    "user": holder.user,
                    "host": holder.host,
                    "pid": holder.process,
                    "alive": alive,
                    "since": SINCE,
                }
            ]
            text = project.run("status").out
            assert f"{project.store} is locked by {holder}, since {SINCE}: " in text
    assert status(project)["locks"] == []


@pytest.mark.parametrize("text", ["", "[]", '{"holder": "ada"}'])
def test_a_lock_whose_holder_cannot_be_read_is_held_all_the_same(
    project: Project, text: str
) -> None:
    state = project.folder / ".reconciler"
    with hold_locks(state, [project.store], holder=HERE, since=SINCE):
        (file,) = (state / "locks").glob("*.holder")
        file.write_text(text)
        (lock,) = status(project)["locks"]
        assert set(lock.values()) == {None}
        assert "A lock is held; it does not say by whom.\n" in project.run("status").out


def test_the_run_that_holds_the_lock_is_not_unfinished(
    project: Project, listed: list[InstanceAddress]
) -> None:
    """Tried out: it is, if only the record is asked."""
    assert project.run("plan", "--out", "plan.json").code == 0
    stopped(project, "apply", "plan.json")
    (one,) = unfinished(project)
    state = project.folder / ".reconciler"
    at_work = Holder(one["run"], HERE.user, HERE.host, HERE.process)
    with hold_locks(state, [project.store], holder=at_work, since=SINCE):
        assert unfinished(project) == []
    with hold_locks(state, [project.store], holder=HERE, since=SINCE):
        assert unfinished(project) == [one]


@pytest.mark.parametrize("begins", [True, False])
def test_a_run_that_begins_or_ends_while_the_record_is_read_is_not_unfinished(
    project: Project, listed: list[InstanceAddress], monkeypatch: pytest.MonkeyPatch, begins: bool
) -> None:
    stopped(project, "apply", "--auto-approve")
    (one,) = unfinished(project)
    at_work = Holder(one["run"], HERE.user, HERE.host, HERE.process)
    lock = hold_locks(project.folder / ".reconciler", [project.store], holder=at_work, since=SINCE)

    def meanwhile(state: State, listener: Listener) -> History:
        lock.__enter__() if begins else lock.__exit__(None, None, None)
        return read_history(state, listener)

    monkeypatch.setattr("reconciler.cli.commands.status.read_history", meanwhile)
    if not begins:
        lock.__enter__()
    found = status(project)
    if begins:
        lock.__exit__(None, None, None)
    assert (found["unfinished"], len(found["locks"])) == ([], int(begins))


# Holds


def holds(project: Project, *paths: str) -> list[tuple[str, str, int, int | None]]:
    found = status(project, "--holds", *paths)["holds"]
    return [(one["hold"]["text"], one["path"], one["line"], one["instances"]) for one in found]


def keep(project: Project, name: str, *entries: str) -> None:
    project.write(name, "keep:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries))


def kept(one: InstanceAddress, hold: str) -> str:
    return f"studiesId: {one.study_uid}, hold: {hold}"


def test_holds_stand_with_the_count_of_the_last_plan(
    project: Project, listed: list[InstanceAddress]
) -> None:
    other = project.fill(2, 1, range(1, 4))
    keep(project, "b.yaml", kept(other[0], "Litigation"), f"studiesId: {listed[0].study_uid}.9")
    (found,) = holds(project)
    assert found == ("Litigation", "specs/b.yaml", found[2], None)
    assert project.run("plan").code == 3  # what is kept without a hold is missing
    keep(project, "b.yaml", kept(other[0], "Litigation"))
    assert holds(project) == [(*found[:3], 3)]
    text = project.run("status", "--holds").out
    assert f"specs/b.yaml:{found[2]}: hold: Litigation (3 instances)\n" in text
    assert text.endswith("Status: 0 unfinished, 0 locks held, 1 hold.\n")


def test_a_hold_that_is_new_is_in_no_plan_yet(
    project: Project, listed: list[InstanceAddress]
) -> None:
    other = project.fill(2, 1, range(1, 4))
    assert project.run("plan").code == 0
    keep(project, "b.yaml", kept(other[0], "Litigation"))
    assert [one[3] for one in holds(project, "specs/b.yaml")] == [None]


def test_without_the_flag_no_file_is_read(project: Project) -> None:
    project.write("a.yaml", "keep: [{studiesId: 1..2}]\n")
    assert status(project)["holds"] == []
    answer = project.run("status", "--holds")
    assert answer.code == 1
    assert "specs/a.yaml:" in answer.err


# What cannot be read


def test_a_broken_record_is_no_answer(project: Project, listed: list[InstanceAddress]) -> None:
    """Of a run without an index: of one with it the record is not read for this."""
    assert project.run("apply", "--auto-approve").code == 0
    runs = project.folder / ".reconciler" / "runs"
    for path in (runs / "index").iterdir():
        path.unlink()
    (run,) = runs.glob("*.jsonl")
    header, _, *rest = run.read_text().splitlines(keepends=True)
    run.write_text("".join([header, *rest]))
    answer = project.run("status")
    assert answer.code == 1
    assert f"{run}:2: " in answer.err


def test_verify_leads_to_it(project: Project, listed: list[InstanceAddress]) -> None:
    assert project.run("apply", "--auto-approve").code == 0
    cut(project, after='"type":"verified"')
    answer = project.run("audit", "verify")
    assert "unfinished" in answer.out
    assert "reconciler status --state " in answer.err


def test_asked_from_another_folder_the_command_is_of_the_runs_own_project(
    project: Project, listed: list[InstanceAddress], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.run("plan", "--out", "plan.json").code == 0
    stopped(project, "apply", "plan.json")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (run,) = unfinished(project, "--state", str(project.folder / ".reconciler"))
    _, *arguments = shlex.split(run["command"])
    assert project.run(*arguments).code == 0


def test_what_was_restored_since_is_not_to_be_resumed(project: Project, tmp_path: Path) -> None:
    """Its plan is refused: the gate `restored` is blocking."""
    held = project.fill(1, 1, range(1, 11))
    archive = f"archive: {{path: {tmp_path / 'archive'}}}\n"
    project.write("a.yaml", REASON + archive + removal(held[:4]))
    assert project.run("plan", "--out", "plan.json").code == 0
    rule = FaultRule(FaultKind.STATUS, "DELETE", f"{held[3].instance_uid}$", status=403)
    project.emulator.set_faults(Faults((rule,)))
    options = ("--stop-after-failures", "1", "--parallelism", "1")
    assert project.run("apply", "plan.json", *options).code == 4
    project.emulator.set_faults(Faults())
    (run,) = unfinished(project)
    assert project.run("restore", run["run"]).code == 0
    assert unfinished(project) == []
