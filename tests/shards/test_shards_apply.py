"""Shard after shard, and several at once: one lock, one report, one exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.journal.state import RUNS
from reconciler.model.plan import PartOf
from reconciler.model.shards.manifest import Shard, plan_id_of
from reconciler.planning.plan_file import write_plan
from reconciler.planning.shards.manifest_file import (
    digest_of_shards,
    read_manifest,
    read_shard,
    write_manifest,
)

from ..chaos.sites import wait_until
from .sharded_site import LOCKED, ShardedSite, ended, running_sharded_site

SLOWLY = Faults((FaultRule(FaultKind.LATENCY, "DELETE", seconds=0.1),))


slow = pytest.mark.slow


@pytest.fixture
def sharded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ShardedSite]:
    with running_sharded_site(
        tmp_path, studies=3, each=6, in_bucket=request.param == "bucket"
    ) as running:
        yield running


@pytest.fixture
def in_folder(tmp_path: Path) -> Iterator[ShardedSite]:
    with running_sharded_site(tmp_path, studies=3, each=6) as running:
        yield running


def workers_of(child: subprocess.Popen[str]) -> list[int]:
    """The processes of the program that a coordinator has started, itself left out."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes().decode()
        except (OSError, ValueError):
            continue
        if parent == child.pid and "spawn_main" in words:
            found.append(int(entry.name))
    return found


def is_there(process: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(
    ("sharded", "processes"),
    [
        ("folder", "2"),
        ("bucket", "1"),
        pytest.param("folder", "1", marks=slow),
        pytest.param("bucket", "2", marks=slow),
    ],
    indirect=["sharded"],
)
def test_one_report_accounts_for_all_shards_and_once_more_for_what_is_done(
    sharded: ShardedSite, processes: str
) -> None:
    done = sharded.apply("--processes", processes)
    assert done.code == 0, done
    sharded.require_all_done()
    report = sharded.report()
    assert len(report["runs"]) == 3
    assert report["counts"]["deleted"] == 18
    again = sharded.site.here(
        "apply", "plan/plan.json", "--processes", processes, "--report", "report.json"
    )
    assert again.code == 0, again
    assert "has been applied" in again.err
    assert sharded.report()["counts"] == report["counts"]
    sharded.require_all_done()


@pytest.mark.parametrize("sharded", ["folder", pytest.param("bucket", marks=slow)], indirect=True)
def test_two_tasks_side_by_side_and_a_third_command_accounts_for_all(sharded: ShardedSite) -> None:
    sharded.site.plan("--out", "whole.json")
    seconds = 1 if sharded.bucket is None else 4  # longer than a beat takes to come
    held_up = FaultRule(FaultKind.LATENCY, "DELETE", seconds=seconds)
    sharded.site.emulator.set_faults(Faults((held_up,)))
    one, two = sharded.start("--shard", "1/2"), sharded.start("--shard", "2/2")
    wait_until(lambda: len(sharded.site.deletes()) >= 2, during=one)
    foreign = sharded.site.here("apply", "whole.json")
    assert foreign.code == LOCKED, foreign
    sharded.site.emulator.set_faults(Faults())
    for task in (one, two):
        done = ended(task)
        assert done.code == 0, done
    done = sharded.apply()
    assert done.code == 0, done
    assert "has been applied" in done.err
    sharded.require_all_done()
    assert sharded.report()["counts"]["deleted"] == 18


@pytest.mark.parametrize("sharded", ["folder", pytest.param("bucket", marks=slow)], indirect=True)
def test_of_a_task_and_its_double_one_goes_on(sharded: ShardedSite) -> None:
    site = sharded.site
    site.emulator.set_faults(Faults((site.once_proven(FaultRule(FaultKind.HANG)),)))
    first = sharded.start("--shard", "1/1")
    wait_until(lambda: len(site.deletes()) == 1 + 2, during=first)
    runs = list(sharded.state.run_names(RUNS))
    double = sharded.apply("--shard", "1/1")
    assert double.code == LOCKED, double
    assert "another run works on" in double.err
    assert list(sharded.state.run_names(RUNS)) == runs
    site.emulator.set_faults(Faults())
    first.kill()
    first.communicate()
    sharded.require_no_harm()


@pytest.mark.parametrize(
    ("processes", "to"),
    [
        ("2", "group"),
        pytest.param("1", "coordinator", marks=slow),
        pytest.param("2", "coordinator", marks=slow),
    ],
)
def test_a_signal_stops_all_and_what_was_not_begun_is_counted(
    in_folder: ShardedSite, processes: str, to: str
) -> None:
    in_folder.site.emulator.set_faults(SLOWLY)
    child = in_folder.start("--processes", processes)
    wait_until(lambda: len(in_folder.site.deletes()) >= 2, during=child)
    os.kill(child.pid, signal.SIGTERM)
    if to == "group":  # as a terminal does, or an orchestrator that signals all
        for worker in workers_of(child):
            os.kill(worker, signal.SIGTERM)
    done = ended(child)
    assert done.code == 143, done
    assert "died" not in done.err
    report = in_folder.report()
    assert report["state"] == "interrupted"
    assert sum(report["counts"].values()) == 18
    assert report["counts"]["not_attempted"] > 0
    in_folder.require_no_harm()
    assert in_folder.site.here("status").out.count("reconciler apply DIR/plan.json") == 1
    in_folder.site.emulator.set_faults(Faults())
    assert in_folder.apply("--processes", processes).code == 0
    in_folder.require_all_done()


@pytest.mark.parametrize("hangs", [False, pytest.param(True, marks=slow)])
def test_workers_end_with_their_coordinator(in_folder: ShardedSite, *, hangs: bool) -> None:
    hanging = Faults((in_folder.site.once_proven(FaultRule(FaultKind.HANG)),))
    in_folder.site.emulator.set_faults(hanging if hangs else SLOWLY)
    child = in_folder.start("--processes", "2")
    wait_until(lambda: len(in_folder.site.deletes()) >= 3, during=child)
    workers = workers_of(child)
    assert len(workers) == 2
    child.kill()
    child.communicate()
    wait_until(lambda: not any(map(is_there, workers)))
    in_folder.site.emulator.set_faults(Faults())
    assert in_folder.finish("--processes", "2").code == 0
    in_folder.require_all_done()


def test_what_a_dead_worker_left_another_one_takes_up(in_folder: ShardedSite) -> None:
    in_folder.site.emulator.set_faults(SLOWLY)
    child = in_folder.start("--processes", "2")
    wait_until(lambda: len(in_folder.site.deletes()) >= 3, during=child)
    os.kill(workers_of(child)[0], signal.SIGKILL)
    done = ended(child)
    assert done.code == 0, done
    assert "a worker has died" in done.err
    in_folder.require_all_done()


@slow
def test_what_workers_deleted_that_died_twice_is_accounted_for(in_folder: ShardedSite) -> None:
    """No shard came to its end, and yet something is gone."""
    site = in_folder.site
    site.emulator.set_faults(Faults((site.once_proven(FaultRule(FaultKind.HANG)),)))
    child = in_folder.start("--processes", "2")
    killed: set[int] = set()
    for more in (3, 2):
        before = len(site.deletes())
        wait_until(lambda: len(site.deletes()) >= before + more, during=child)  # noqa: B023
        workers = set(workers_of(child)) - killed
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        killed |= workers
    done = ended(child)
    site.emulator.set_faults(Faults())
    assert done.code == 4, done
    assert "has died" in done.err
    counts = in_folder.report()["counts"]
    assert sum(counts.values()) == len(site.planned), counts
    assert counts["deleted"] == 1, counts
    assert counts["unconfirmed"] > 0, counts
    assert len(in_folder.report()["unproven"]) == counts["failed"] + counts["unconfirmed"]
    in_folder.require_no_harm()
    assert in_folder.apply().code == 0
    in_folder.require_all_done()


def test_the_rate_is_one_for_all_processes(in_folder: ShardedSite) -> None:
    """No machine is too slow for that: what is held is how fast it may be at most."""
    done = in_folder.apply("--processes", "2", "--max-qps", "20")
    assert done.code == 0, done
    times = sorted(one.time for one in in_folder.site.emulator.requests())[-30:]
    assert times[-1] - times[0] >= 0.8 * (len(times) - 1) / 20


def test_a_shard_of_another_plan_is_refused_before_any_is_applied(
    in_folder: ShardedSite,
) -> None:
    folder = in_folder.site.folder / "plan" / "shards"
    (folder / "00002.json").write_text((folder / "00001.json").read_text())
    done = in_folder.apply()
    assert done.code == 3, done
    assert "is not shard 2" in done.err
    assert not in_folder.site.deletes()


def test_the_digest_that_was_reviewed_is_that_of_the_manifest(in_folder: ShardedSite) -> None:
    digest = json.loads((in_folder.site.folder / "plan" / "plan.json").read_text())["digest"]
    shard = json.loads((in_folder.site.folder / "plan/shards/00001.json").read_text())["digest"]
    refused = in_folder.site.here("apply", "plan/plan.json", "--expect-digest", shard)
    assert refused.code == 3, refused
    assert not in_folder.site.deletes()
    done = in_folder.site.here(
        "apply", "plan/plan.json", "--expect-digest", digest, "--report", "report.json"
    )
    assert done.code == 0, done
    in_folder.require_all_done()


def test_a_keep_of_today_stops_the_whole_before_anything_is_deleted(
    in_folder: ShardedSite,
) -> None:
    site = in_folder.site
    kept = min(one for one in site.planned if one.study_uid.endswith(".3"))
    hold = site.write("hold.yaml", [], [kept])
    hold.write_text(hold.read_text() + "    hold: Litigation 2026-17\n")
    done = site.here("apply", "plan/plan.json")
    assert done.code == 3, done
    assert "the plan deletes what the files keep: 1 instance by specs/hold.yaml" in done.err
    assert not site.deletes()


def test_shards_that_share_a_study_are_refused_before_any_is_applied(
    in_folder: ShardedSite,
) -> None:
    """What one run does in a study, no run of another shard looks at."""
    folder = in_folder.site.folder / "plan"
    manifest = read_manifest(folder / "plan.json")
    first, second, third = manifest.plan.shards
    again = replace(
        read_shard(folder, manifest, first),
        part_of=(part := PartOf(manifest.plan_id, 2)),
        plan_id=plan_id_of(part),
    )
    (folder / second.path).write_text("".join(write_plan(again)))
    plan = replace(manifest.plan, shards=(first, Shard.of(again, 2), third))
    forged = replace(manifest, plan=plan, digest=digest_of_shards(plan))
    (folder / "plan.json").write_text("".join(write_manifest(forged)))
    done = in_folder.site.here("apply", "plan/plan.json", "--expect-digest", forged.digest)
    assert done.code == 3, done
    assert "shard 2 deletes from a study of a shard before it" in done.err
    assert not in_folder.site.deletes()


def test_one_shard_is_no_plan_and_a_plan_has_no_shards(in_folder: ShardedSite) -> None:
    alone = in_folder.site.here("apply", "plan/shards/00001.json")
    assert (alone.code, "this is shard 1 of plan" in alone.err) == (3, True)
    in_folder.site.plan("--out", "whole.json")
    for options in (["--processes", "2"], ["--shard", "1/2"]):
        done = in_folder.site.here("apply", "whole.json", *options)
        assert (done.code, "for a plan in shards" in done.err) == (1, True)
    assert not in_folder.site.deletes()
