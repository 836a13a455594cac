"""kill -9 at any moment: the same command goes on, and every bag is valid in the end."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from reconciler.emulator import Faults
from reconciler.journal.history import History
from reconciler.journal.places.disk import DiskState
from reconciler.model.address import InstanceAddress

from ..sampling import some
from ..waiting import wait_until, wait_until_answered
from .conftest import Site

COUNT = 40


def kill_after(site: Site, seconds: float, *arguments: str) -> bool:
    """Type a command and kill it so long after it has begun to work; whether it was still on."""
    done = len(site.runs())
    child = site.spawn(*arguments, "--parallelism", "4")
    wait_until(lambda: len(site.runs()) > done or child.poll() is not None)
    time.sleep(seconds)
    was_on = child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.communicate()
    return was_on


def kill_once_archived(site: Site) -> None:
    """Apply, and kill it when something is archived and not everything is deleted."""
    child = site.spawn("apply", "plan.json", "--parallelism", "4")
    while not any('"type":"archived"' in site.journal(run) for run in site.runs()):
        assert child.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.communicate()


def kill_often(site: Site, kills: int, *arguments: str) -> int:
    """Type a command so many times and kill it at random moments; how many came in time."""
    moments = random.Random(7)
    return sum(kill_after(site, moments.uniform(0, 0.3), *arguments) for _ in range(kills))


def test_a_killed_apply_resumes_and_all_bags_are_valid(site: Site) -> None:
    instances = site.fill(COUNT + 5)
    before = site.hashes()
    site.ask_removal(instances[:COUNT])
    site.plan()
    site.emulator.set_faults(Faults(latency=0.02))
    hits = kill_often(site, 4, "apply", "plan.json")
    assert hits >= 2, "the kills came too late to prove anything"
    site.emulator.set_faults(Faults())
    answer = site.apply()
    assert answer.code == 0, answer.out + answer.err
    assert len(site.runs()) >= hits + 1
    report = site.report()
    assert sum(report["counts"].values()) == report["planned"] == COUNT
    assert site.content() == set(instances[COUNT:])
    assert site.validate_bags() >= COUNT

    restored = site.run("restore", report["run"])
    assert restored.code == 0, restored.out
    assert f"Restore: {COUNT} archived: {COUNT} identical" in restored.last_line
    assert site.hashes() == before


def test_what_has_its_name_but_no_record_is_proven_or_set_aside(site: Site) -> None:
    """As if the process had died between the rename and the record."""
    one, two, three, *_ = site.fill(8)
    site.ask_removal([one, two, three])
    site.plan()
    site.emulator.set_faults(Faults(latency=0.1))
    kill_once_archived(site)
    site.emulator.set_faults(Faults())
    (run,) = site.runs()
    bag = site.archive / run
    folder = bag / f"data{one}".rpartition("/")[0]
    folder.mkdir(parents=True, exist_ok=True)
    source = next((site.store_folder / "files").rglob(f"{three[2]}.dcm"), None)
    recorded = {r["instancesId"] for r in site.records(run) if r["type"] == "archived"}
    if source is not None and three.instance_uid not in recorded:
        (folder / f"{three.instance_uid}.dcm").write_bytes(source.read_bytes())
    (folder / "1.2.3.dcm").write_bytes(b"half")
    (bag / "incoming").mkdir(exist_ok=True)
    (bag / "incoming" / "9.part").write_bytes(b"half")

    assert site.apply().code == 0
    assert site.validate_bags() >= 3
    assert not (bag / "incoming").exists()
    (aside,) = (bag / "set-aside").rglob("*.dcm")
    assert aside.read_bytes() == b"half"
    manifest = (bag / "manifest-sha256.txt").read_text()
    assert "1.2.3.dcm" not in manifest
    assert f"{three.instance_uid}.dcm" in manifest


def interrupted(site: Site) -> tuple[Path, list[InstanceAddress]]:
    """An apply of three instances that was killed; its bag, and what is in the store."""
    instances = site.fill(8)
    site.ask_removal(instances[:3])
    site.plan()
    site.emulator.set_faults(Faults(latency=0.1))
    kill_once_archived(site)
    site.emulator.set_faults(Faults())
    (run,) = site.runs()
    return site.archive / run, instances


def test_links_special_files_and_damaged_ones_are_set_aside(site: Site) -> None:
    bag, (*_, one, two) = interrupted(site)
    folder = bag / f"data{one}".rpartition("/")[0]
    folder.mkdir(parents=True, exist_ok=True)
    stored = {a: next((site.store_folder / "files").rglob(f"{a[2]}.dcm")) for a in (one, two)}
    (folder / f"{one[2]}.dcm").symlink_to(stored[one])
    (folder / f"{two[2]}.dcm").write_bytes(stored[two].read_bytes()[:-1])
    os.mkfifo(folder / "1.2.3.dcm")
    (bag / "data" / "elsewhere").symlink_to(site.store_folder / "files")

    assert site.apply().code == 0
    assert site.validate_bags() >= 3
    manifest = (bag / "manifest-sha256.txt").read_text()
    assert "elsewhere" not in manifest
    aside = [path.name for path in (bag / "set-aside").rglob("*") if not path.is_dir()]
    assert {"1.2.3.dcm", f"{one[2]}.dcm", f"{two[2]}.dcm"} == set(aside)
    assert (bag / "set-aside" / "elsewhere").is_symlink()
    assert not any(name in manifest for name in aside)
    assert site.content() >= {one, two}


@pytest.mark.parametrize("name", some(["", "data", "incoming", "set-aside"], each=3))
def test_a_bag_that_is_a_link_is_not_completed(site: Site, name: str) -> None:
    """Whoever put it there may have anything removed or overwritten where it leads."""
    bag, _ = interrupted(site)
    wait_until_answered(site.emulator)
    left = site.content()
    folder, outside = bag / name, site.archive.with_name("outside")
    if folder.exists():
        shutil.move(folder, outside)
    outside.mkdir(exist_ok=True)
    (outside / "mine.part").write_text("not the bag's")
    folder.symlink_to(outside)
    answer = site.apply()
    assert answer.code == 4
    assert "cannot be completed" in answer.out
    assert "is a link" in answer.out
    assert (outside / "mine.part").exists()
    assert site.content() == left


def test_a_recorded_file_that_is_a_link_stops_the_run(site: Site) -> None:
    bag, _ = interrupted(site)
    file, *_ = (bag / "data").rglob("*.dcm")
    file.symlink_to(shutil.move(file, site.archive.with_name("outside")))
    answer = site.apply()
    assert answer.code == 4
    assert "a link in its path" in answer.out


def test_a_killed_restore_resumes_and_reports_over_all(site: Site) -> None:
    instances = site.fill(COUNT + 2)
    before = site.hashes()
    site.ask_removal(instances[:COUNT])
    site.plan()
    assert site.apply().code == 0
    run = str(site.report()["run"])
    site.emulator.set_faults(Faults(latency=0.03))
    hits = kill_often(site, 3, "restore", run)
    assert hits >= 2, "the kills came too late to prove anything"
    site.emulator.set_faults(Faults())
    answer = site.run("restore", run)
    assert answer.code == 0
    assert f"Restore: {COUNT} archived: {COUNT} identical" in answer.last_line
    assert "Earlier run" in answer.out
    assert site.hashes() == before
    history = History.read(DiskState(site.folder / ".reconciler"))
    (store,) = history.runs[0].run.started.stores
    past = history.of(store, site.emulator.url)
    assert not any(past.is_gone(instance) for instance in site.content())


@pytest.mark.parametrize(("number", "code"), some([(signal.SIGINT, 130), (signal.SIGTERM, 143)]))
def test_a_signal_stops_a_restore_and_the_same_command_goes_on(
    site: Site, number: signal.Signals, code: int
) -> None:
    instances = site.fill(COUNT)
    site.ask_removal(instances[: COUNT - 2])
    site.plan()
    assert site.apply().code == 0
    run = str(site.report()["run"])
    site.emulator.set_faults(Faults(latency=0.1))
    site.emulator.clear_requests()
    child = site.spawn("restore", run, "--parallelism", "2")
    wait_until(lambda: any(one.method == "POST" for one in site.emulator.requests()))
    child.send_signal(number)
    out, _ = child.communicate(timeout=30)
    assert child.returncode == code, out
    assert "not_attempted" in out
    last = site.records(site.runs()[-1])[-1]
    assert last["type"] == "run_ended"
    assert sum(last["counts"].values()) == COUNT - 2
    site.emulator.set_faults(Faults())
    assert site.run("restore", run).code == 0
    assert site.content() == set(instances)


def test_a_bag_that_cannot_be_completed_stops_the_run(site: Site) -> None:
    """The archive of the interrupted run is gone: nothing more is deleted before it is back."""
    instances = site.fill(COUNT + 2)
    site.ask_removal(instances[:COUNT])
    site.plan()
    site.emulator.set_faults(Faults(latency=0.05))
    kill_once_archived(site)
    site.emulator.set_faults(Faults())
    wait_until_answered(site.emulator)
    left = site.content()
    moved = site.archive.rename(site.archive.with_name("unmounted"))
    answer = site.apply()
    assert answer.code == 4
    assert "cannot be completed" in answer.out
    assert site.content() == left
    moved.rename(site.archive)
    assert site.apply().code == 0
    assert site.validate_bags() >= COUNT
