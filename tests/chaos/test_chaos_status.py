"""After ``kill -9``, `reconciler status` prints a command that completes the run as it stands.

Each command is run verbatim by a shell, in another folder and with an environment that leads
nowhere: it must say all that it needs. Tried out: see the tests for what breaks each.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.model.address import InstanceAddress

from ..sampling import some
from .sites import SECONDS, Ended, Site, address, killed, running_site, wait_until

SCHEMA = Path(__file__).parents[2] / "schemas" / "status.schema.json"
SLOW_DELETES = Faults((FaultRule(FaultKind.LATENCY, "DELETE", seconds=0.2),))


def status(site: Site, state: Path | None = None, *options: str) -> Any:
    done = site.here("status", "--format", "json", *options, state=state)
    assert done.code == 0, done
    answer = json.loads(done.out)
    jsonschema.validate(answer, json.loads(SCHEMA.read_text("utf-8")))
    return answer


def only_command(site: Site, state: Path | None = None) -> str:
    """That of the one run that is unfinished; the exit code says so too."""
    answer = status(site, state)
    (one,) = answer["unfinished"]
    assert answer["locks"] == []
    assert site.here("status", "--detailed-exitcode", state=state).code == 2
    text = site.here("status", state=state).out
    assert f"\n  {one['command']}\n" in text
    assert text.endswith("Status: 1 unfinished, 0 locks held.\n")
    return str(one["command"])


def in_a_shell(site: Site, command: str, tmp_path: Path) -> Ended:
    """What somebody does who pastes the line elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    found = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {
        "PATH": found,
        "HOME": str(elsewhere),
        "RECONCILER_ENDPOINT": "http://127.0.0.1:9",
    }
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def kill_amid_deleting(site: Site, *command: str, state: Path | None = None) -> None:
    before = len(site.deletes())
    site.emulator.set_faults(SLOW_DELETES)
    child = site.start(*command, "--parallelism", "2", state=state)
    wait_until(lambda: len(site.deletes()) >= before + 3, during=child)
    assert killed(child)
    site.emulator.set_faults(Faults())


def require_completed(site: Site, command: str, tmp_path: Path, state: Path | None = None) -> None:
    done = in_a_shell(site, command, tmp_path)
    assert done.code == 0, done
    assert status(site, state)["unfinished"] == []
    assert site.here("status", "--detailed-exitcode", state=state).code == 0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """As the others have it, in a folder that a shell must have quoted."""
    with running_site(tmp_path / "it's $HOME") as running:
        yield running


def test_a_killed_apply_of_a_saved_plan(site: Site, tmp_path: Path) -> None:
    """The plan's file may be another one by then: people plan anew."""
    site.prepare(planned=12)
    kill_amid_deleting(site, "apply", "plan.json")
    site.plan("--out", "plan.json")
    command = only_command(site)
    require_completed(site, command, tmp_path)
    assert site.content() == site.unplanned


def test_a_killed_apply_of_files(site: Site, tmp_path: Path) -> None:
    site.prepare(planned=12)
    kill_amid_deleting(site, "apply", "specs/", "--auto-approve")
    require_completed(site, only_command(site), tmp_path)
    assert site.content() == site.unplanned


def test_a_run_that_works_is_no_run_to_resume(site: Site, tmp_path: Path) -> None:
    site.prepare(planned=12)
    site.emulator.set_faults(SLOW_DELETES)
    child = site.start_apply()
    wait_until(site.deletes, during=child)
    child.send_signal(signal.SIGSTOP)
    answer = status(site)
    assert answer["unfinished"] == []
    (lock,) = answer["locks"]
    assert (lock["pid"], lock["alive"]) == (child.pid, True)
    assert lock["store"] == str(site.store)
    run = lock["run"]
    assert (site.runs / f"{run}.jsonl").exists()
    assert site.here("status", "--detailed-exitcode").code == 0
    assert f"process {child.pid}, run {run}" in site.here("status").out
    assert killed(child)
    site.emulator.set_faults(Faults())
    require_completed(site, only_command(site), tmp_path)
    assert site.content() == site.unplanned


def test_each_state_folder_has_its_own(site: Site, tmp_path: Path) -> None:
    """A run of another folder is none of this one's; the command names the folder."""
    other = site.folder / "other state"
    site.prepare(planned=12)
    kill_amid_deleting(site, "apply", "plan.json", state=other)
    assert status(site)["unfinished"] == []
    require_completed(site, only_command(site, other), tmp_path, other)
    assert site.content() == site.unplanned


def archived_site(site: Site, tmp_path: Path, count: int) -> list[InstanceAddress]:
    """A plan that archives; gives what it removes."""
    held = [address(1, 1, number) for number in range(1, 2 * count + 1)]
    site.fill(held)
    path = site.write("a.yaml", held[:count])
    text = path.read_text().replace("remove:", f'archive: {{path: "{tmp_path}/archive"}}\nremove:')
    path.write_text(text)
    site.planned, site.unplanned = frozenset(held[:count]), frozenset(held[count:])
    site.plan("--out", "plan.json")
    return held


def test_a_kill_amid_the_copying(site: Site, tmp_path: Path) -> None:
    """One instance is copied, another is on its way; the bag of the run is completed too."""
    first, second, *_ = archived_site(site, tmp_path, 8)
    unanswered = FaultRule(FaultKind.HANG, "GET", path=f"{second}$")
    site.emulator.set_faults(Faults((unanswered, FaultRule(FaultKind.HANG, "DELETE"))))
    child = site.start("apply", "plan.json", "--parallelism", "2")
    wait_until(lambda: [one.path for one in site.deletes()] == [site.path_of(first)], during=child)
    wait_until(lambda: any(r.path == site.path_of(second) for r in site.emulator.requests()))
    assert killed(child)
    assert len(list((tmp_path / "archive").rglob("*.dcm"))) == 1
    site.emulator.set_faults(Faults())
    require_completed(site, only_command(site), tmp_path)
    assert site.content() == site.unplanned
    for bag in (tmp_path / "archive").iterdir():
        assert (bag / "manifest-sha256.txt").exists()


@pytest.mark.parametrize("only", some([3, 0]))
def test_a_killed_restore(site: Site, tmp_path: Path, only: int) -> None:
    """One of a few instances puts back no more than these.

    Tried out: without ``only`` in its record, the command restores all.
    """
    held = archived_site(site, tmp_path, 8)
    site.resume()
    run = json.loads((site.folder / "report.json").read_text())["run"]
    wanted = held[: only or 8]
    options = [word for one in held[:only] for word in ("--only", one.instance_uid)]
    site.emulator.set_faults(Faults((FaultRule(FaultKind.LATENCY, "POST", seconds=0.3),)))
    child = site.start("restore", run, *options, "--parallelism", "1")
    wait_until(lambda: b'"restored"' in journals(site), during=child)
    assert killed(child)
    site.emulator.set_faults(Faults())
    command = only_command(site)
    assert command.startswith(f"reconciler restore {run} ")
    require_completed(site, command, tmp_path)
    assert site.content() == site.unplanned | set(wanted)


def journals(site: Site) -> bytes:
    return b"".join(path.read_bytes() for path in site.runs.glob("*.jsonl"))


def test_plan_and_apply_point_to_it(site: Site) -> None:
    """One line, on the same stores only; the plan that goes on needs none."""
    site.prepare(planned=12)
    site.write("../other.yaml", [address(1, 1, 20)])
    kill_amid_deleting(site, "apply", "plan.json")
    planned = site.here("plan", "other.yaml", "--out", "other.json")
    assert planned.code == 0
    line = "note: 1 run on these stores is unfinished; to resume, see: reconciler status --state "
    assert planned.err.count(line) == 1
    assert site.here("apply", "other.json").err.count(line) == 1
    assert line not in site.here("apply", "plan.json").err
