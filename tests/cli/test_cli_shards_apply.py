"""What a user knows of the apply of one plan holds for one in shards."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.api import machine
from reconciler.emulator import FaultKind, FaultRule, Faults

from ..journal.by_hand import records_of
from ..limits import wide_open_line
from .conftest import REASON, Project, address, removal
from .test_cli_checkout import commit, git
from .test_cli_record import idle

IN_SHARDS = ("--shard-size", "2", "--out", "plan")
ONE, SHARDED = "one.json", "plan/plan.json"
EACH_STUDY = [address(study, 1, number) for study in (1, 2, 3) for number in (1, 2)]
FORBIDDEN = FaultRule(FaultKind.STATUS, "DELETE", status=400)

pytestmark = pytest.mark.usefixtures("study_by_study")


@pytest.fixture
def project(project: Project) -> Project:
    """Three studies of two instances, all to be removed, and both plans of that."""
    for study in (1, 2, 3):
        project.fill(study, 1, [1, 2, 3, 4])
    project.write("a.yaml", REASON + wide_open_line() + removal(EACH_STUDY))
    plan_both(project)
    return project


def plan_both(project: Project, *, code: int = 0) -> None:
    assert project.run("plan", "specs/a.yaml", "--out", ONE).code == code
    assert project.run("plan", "specs/a.yaml", *IN_SHARDS).code == code


def errors(text: str) -> list[str]:
    """What the command says is wrong, without what it says of its own run."""
    own = ("journal head", "sent ", "applying ", "note: ")
    text = re.sub(r"digest is sha256:\w+", "digest is another", text)
    lines = re.sub(r"expired at [-\d: ]+UTC", "expired", text).splitlines()
    return [line for line in lines if not line.startswith(own)]


def runs(project: Project) -> list[tuple[Path, list[dict[str, Any]]]]:
    """The applies and restores, in their order, with their records."""
    paths = (project.folder / ".reconciler" / "runs").glob("*.jsonl")
    found = [(path, records_of(path)) for path in paths]
    return sorted(found, key=lambda one: str(one[1][0]["time"]))


def in_time(project: Project) -> list[dict[str, Any]]:
    """The records of what did nothing, in their order."""
    return sorted(idle(project), key=lambda one: str(one["time"]))


def settled(project: Project) -> list[dict[str, Any]]:
    return [one for _, run in runs(project) for one in run if one["type"] == "settled"]


def report(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.folder / "report.json").read_text("utf-8"))
    return found


def cut(run: Path, *, after: str) -> None:
    """Leave of a run what a process leaves that dies after it wrote such a line."""
    lines = run.read_text().splitlines(keepends=True)
    last = next(number for number, line in enumerate(lines) if f'"type":"{after}"' in line)
    run.write_text("".join(lines[: last + 1]))
    shutil.rmtree(run.parent / "log", ignore_errors=True)


# What is refused


Patch = pytest.MonkeyPatch


def gates(project: Project, _: Patch) -> None:
    path = project.folder / "specs" / "a.yaml"
    path.write_text(path.read_text().replace("maxDeletions: 100000", "maxDeletions: 5"))
    plan_both(project, code=3)


def another_digest(*_: object) -> tuple[str, ...]:
    return ("--expect-digest", "sha256:" + "0" * 64)


def expiry(_: Project, patch: Patch) -> None:
    later = machine.now() + timedelta(days=2)
    patch.setattr(machine, "now", lambda: later)


def new_hold(project: Project, _: Patch) -> None:
    """It lies in a file that is none of the plan's."""
    project.write("hold.yaml", removal(EACH_STUDY[-1:], key="keep") + "    hold: Litigation 7\n")


def new_hold_and_gates(project: Project, patch: Patch) -> None:
    gates(project, patch)
    new_hold(project, patch)


def uncommitted(project: Project, _: Patch) -> tuple[str, ...]:
    (project.folder / ".git").rmdir()
    git(project.folder, "init", "-q", "-b", "main")
    plan_both(project)
    return ("--require-clean",)


def another_service(*_: object) -> tuple[str, ...]:
    return ("--endpoint", "http://127.0.0.1:9")


def write_archived(project: Project, archive: Path) -> None:
    kept = f"archive: {{path: {archive}}}\n"
    project.write("a.yaml", REASON + kept + wide_open_line() + removal(EACH_STUDY))
    plan_both(project)


@pytest.mark.parametrize(
    "prepare",
    [
        gates,
        another_digest,
        expiry,
        new_hold,
        new_hold_and_gates,
        uncommitted,
        another_service,
    ],
)
def test_both_are_refused_in_the_same_words_and_on_record(
    project: Project,
    monkeypatch: Patch,
    prepare: Callable[[Project, Patch], tuple[str, ...] | None],
) -> None:
    options = prepare(project, monkeypatch) or ()
    answers = [project.run("apply", plan, *options) for plan in (ONE, SHARDED)]
    assert [one.code for one in answers] == [3, 3], answers
    alone, sharded = (errors(one.err) for one in answers)
    assert sharded == alone
    assert project.deletes() == []
    assert not runs(project)
    one, other = in_time(project)
    assert errors(one["detail"]) == errors(other["detail"])
    assert (one["exit_code"], one["provenance"]) == (other["exit_code"], other["provenance"])


def test_neither_archives_into_the_state(project: Project, tmp_path: Path) -> None:
    (tmp_path / "kept" / "archive").mkdir(parents=True)
    write_archived(project, tmp_path / "kept" / "archive")
    for plan in (ONE, SHARDED):
        refused = project.run("apply", plan, "--state", tmp_path / "kept")
        assert (refused.code, "archive" in refused.err) == (1, True), refused.err
    assert project.deletes() == []


# What killed runs left open


@pytest.mark.parametrize("prepare", [another_digest, expiry, new_hold])
@pytest.mark.parametrize("plan", [ONE, SHARDED])
def test_what_is_refused_settles_what_its_killed_run_left_open(
    project: Project,
    monkeypatch: Patch,
    plan: str,
    prepare: Callable[[Project, Patch], tuple[str, ...] | None],
) -> None:
    assert project.run("apply", plan).code == 0
    killed = runs(project)
    for path, _ in killed:
        cut(path, after="intent")
    project.emulator.clear_requests()
    options = prepare(project, monkeypatch) or ()
    refused = project.run("apply", plan, *options)
    assert refused.code == 3, refused.err
    found = {one["run"]: one["presence"] for one in settled(project)}
    assert found == {path.stem: "absent" for path, _ in killed}
    later = runs(project)[len(killed) :]
    assert {run[-1]["exit_code"] for _, run in later} == {3}
    assert {run[0]["plan_id"] for _, run in later} <= {run[0]["plan_id"] for _, run in killed}
    assert project.deletes() == []
    again = project.run("apply", plan, *options)
    assert (again.code, errors(again.err)) == (3, errors(refused.err))
    assert len(settled(project)) == len(killed)


@pytest.mark.parametrize("is_refused", [False, True])
@pytest.mark.parametrize("processes", ["1", pytest.param("2", marks=pytest.mark.slow)])
@pytest.mark.parametrize("before", [ONE, SHARDED])
def test_a_new_plan_in_shards_settles_what_others_left_open_in_any_study(
    project: Project, before: str, processes: str, *, is_refused: bool
) -> None:
    assert project.run("apply", before).code == 0
    killed, _ = runs(project)[0]
    cut(killed, after="intent")
    project.write("a.yaml", REASON + wide_open_line() + removal([address(3, 1, n) for n in (3, 4)]))
    plan_both(project)
    options = another_digest() if is_refused else ()
    done = project.run("apply", SHARDED, "--processes", processes, *options)
    assert done.code == (3 if is_refused else 0), done.err
    assert [one["run"] for one in settled(project)] == [killed.stem]


def test_after_an_operation_nothing_of_any_shard_is_deleted(project: Project) -> None:
    """Also where the run was killed before its end, and its shard is not the next one."""
    operation = FaultRule(FaultKind.OPERATION, "DELETE", times=1)
    project.emulator.set_faults(Faults((operation,)))
    assert project.run("apply", SHARDED, "--shard", "2/3").code == 4
    killed, _ = runs(project)[-1]
    cut(killed, after="result")
    project.emulator.set_faults(Faults())
    project.emulator.clear_requests()
    for _ in range(2):
        done = project.run("apply", SHARDED, "--report", "report.json")
        assert (done.code, report(project)["state"]) == (4, "aborted"), done.err
        assert project.deletes() == []
    (_, (*_, last)) = runs(project)[-1]
    assert (last["type"], last["state"]) == ("run_ended", "aborted")
    assert len(settled(project)) == 1


# After how many failures it stops


@pytest.mark.parametrize("plan", [ONE, SHARDED])
@pytest.mark.parametrize(
    ("failing", "limit", "left"),
    [("", 3, 3), ("[.]1$", 2, 0)],
    ids=["all fail", "a success ends the row"],
)
def test_failures_count_over_all_shards(
    project: Project, plan: str, failing: str, limit: int, left: int
) -> None:
    project.emulator.set_faults(Faults((replace(FORBIDDEN, path=failing),)))
    options = ("--stop-after-failures", limit, "--parallelism", 1, "--report", "report.json")
    done = project.run("apply", plan, *map(str, options))
    assert done.code == 4, done.err
    counts = report(project)["counts"]
    assert (counts["failed"], counts["not_attempted"]) == (3, left)
    reason = f"{limit} deletions could not be proven" if left else None
    assert report(project)["stopped_because"] == reason


@pytest.mark.slow
def test_failures_count_over_all_processes(project: Project) -> None:
    """Each shard has two deletions, too few by themselves; one more of each process may leave."""
    slowly = FaultRule(FaultKind.LATENCY, "DELETE", seconds=0.2)
    project.emulator.set_faults(Faults((slowly, FORBIDDEN)))
    options = ("--stop-after-failures", "3", "--parallelism", "1", "--report", "report.json")
    done = project.run("apply", SHARDED, "--processes", "2", *options)
    assert done.code == 4, done.err
    assert report(project)["stopped_because"] == "3 deletions could not be proven"
    assert report(project)["counts"]["failed"] in {3, 4, 5}


# What a report names


def test_every_run_that_a_report_names_is_on_record(project: Project) -> None:
    assert project.run("apply", SHARDED, "--report", "report.json").code == 0
    found = report(project)
    firsts = [run[0] for _, run in runs(project)]
    assert [one["run"] for one in firsts] == found["runs"]
    assert {one["task"] for one in firsts} == {found["run"]}
    for name, rows in ((found["run"], 6), (found["runs"][1], 2)):
        exported = project.run("audit", "export", "--format", "csv", "--run", name)
        assert len(exported.out.splitlines()) == 1 + rows
        audited = project.run("audit", "report", "--format", "json", "--run", name).json
        assert sum(audited["outcomes"].values()) == rows
    for options in ((), ("--shard", "7/7")):
        assert project.run("apply", SHARDED, "--report", "report.json", *options).code == 0
        assert in_time(project)[-1]["run"] == report(project)["run"]


@pytest.mark.parametrize("plan", [ONE, SHARDED])
def test_what_was_put_back_since_is_counted(project: Project, tmp_path: Path, plan: str) -> None:
    (tmp_path / "archive").mkdir()
    write_archived(project, tmp_path / "archive")
    done = project.run("apply", plan)
    undo = re.findall("to undo: reconciler (restore .*)", done.err)
    assert (done.code, len(undo)) == (0, 1 if plan == ONE else 3)
    for count, command in enumerate(undo, 1):
        assert project.run(*command.split()).code == 0
        again = project.run("apply", plan)
        back = 6 * count // len(undo)
        assert (again.code, f"put back by a restore since: {back} instances" in again.err) == (
            0,
            True,
        )
    assert set(EACH_STUDY) <= project.content()


# Between two shards


def test_a_plan_that_expires_between_two_shards_is_refused_from_there(
    project: Project, monkeypatch: Patch
) -> None:
    now = machine.now
    later = now() + timedelta(days=2)
    monkeypatch.setattr(machine, "now", lambda: later if project.deletes() else now())
    done = project.run("apply", SHARDED, "--report", "report.json")
    assert (done.code, "the plan expired at" in done.err) == (3, True), done.err
    assert len(project.deletes()) == 2
    counts = report(project)["counts"]
    assert (counts["deleted"], counts["not_attempted"]) == (2, 4)


def test_a_hold_that_is_set_between_two_commands_stops_the_shards_that_are_left(
    project: Project, monkeypatch: Patch
) -> None:
    assert project.run("apply", SHARDED, "--shard", "1/3").code == 0
    new_hold(project, monkeypatch)
    for options in ((), ("--shard", "2/3")):
        refused = project.run("apply", SHARDED, *options)
        assert (refused.code, "1 instance by specs/hold.yaml" in refused.err) == (3, True)
    assert len(project.deletes()) == 2


def test_a_clean_plan_in_shards_is_applied(project: Project) -> None:
    (project.folder / ".git").rmdir()
    git(project.folder, "init", "-q", "-b", "main")
    (project.folder / ".gitignore").write_text(".reconciler/\nplan/\n*.json\n")
    commit(project.folder)
    plan_both(project)
    assert project.run("apply", SHARDED, "--require-clean").code == 0
