"""Power loss after any fsync: whatever of the journal is left, the same apply resumes from it."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from reconciler.cli.main import run
from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.journal.records import Intent, Result
from reconciler.model.address import InstanceAddress

from ..run_files import run_records
from .evidence import require_exact_account, runs_of
from .sites import Site, killed, wait_until

PLANNED = 6


def interrupted_run(site: Site) -> Path:
    """The run file of an apply that was killed on its way, with faults on record."""
    once = [
        FaultRule(FaultKind.STATUS, "DELETE", times=2, status=503, after_effect=True),
        FaultRule(FaultKind.STATUS, "DELETE", times=1, status=503),
    ]
    never = FaultRule(FaultKind.HANG, "DELETE", path="2$")
    site.emulator.set_faults(Faults((never, *once)))
    child = site.start_apply("--parallelism", "2")
    wait_until(lambda: len({one.path for one in site.deletes()}) >= PLANNED - 1, during=child)
    assert killed(child)
    site.emulator.set_faults(Faults())
    (path,) = site.runs.glob("*.jsonl")
    return path


def cuts(journal: bytes) -> Iterator[int]:
    """After each line, and somewhere inside of a third of them."""
    draw = random.Random(1)
    start = 0
    for number, line in enumerate(journal.splitlines(keepends=True)):
        if number % 3 == 0:
            yield start + draw.randrange(1, len(line))
        start += len(line)
        yield start


def named_by(path: Path, kind: type[Intent] | type[Result]) -> set[InstanceAddress]:
    return {record.instance for record in run_records(path) if isinstance(record, kind)}


def set_back(site: Site, gone: frozenset[InstanceAddress]) -> None:
    """Let the store hold all but these, as if nothing else had been deleted."""
    site.fill(site.planned - site.content())
    for one in gone:
        url = f"{site.emulator.url}{site.path_of(one)}"
        assert requests.delete(url, timeout=10).status_code == 200
    site.emulator.clear_requests()


def resume(site: Site, state: Path, patch: pytest.MonkeyPatch) -> int:
    """In this process, for speed: nothing is killed here any more."""
    patch.chdir(site.folder)
    options = ["--state", str(state), "--endpoint", site.emulator.url]
    return run(["apply", "plan.json", "--report", "report.json", *options])


def test_every_prefix_of_the_journal_resumes(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was not on disk was not sent, so that the store lost at most what the prefix intends.

    For each prefix the store is once as if every intent in it had been carried out that really
    was, and once as if only those had been of which a result tells. Tried out: it fails with a
    reader that takes a torn last line for an error.
    """
    site.prepare(planned=PLANNED)
    path = interrupted_run(site)
    whole = path.read_bytes()
    first = b"".join(whole.splitlines(keepends=True)[:2])
    deleted = site.planned - site.content()
    assert len(deleted) >= PLANNED // 2
    for number, cut in enumerate(cuts(whole)):
        left = tmp_path / str(number) / path.name
        left.parent.mkdir()
        left.write_bytes(whole[:cut])
        carried_out = {frozenset(named_by(left, kind) & deleted) for kind in (Intent, Result)}
        for gone in carried_out:
            state = left.parent / str(len(gone))
            shutil.copytree(site.state, state)
            shutil.copy(left, state / "runs" / path.name)
            set_back(site, gone)
            assert resume(site, state, monkeypatch) == 0, (cut, capsys.readouterr())
            require_resumed(site, state, resumes=int(cut >= len(first)))


def require_resumed(site: Site, state: Path, *, resumes: int) -> None:
    """The account is exact, and the new run has announced each of its own DELETEs."""
    report = require_exact_account(site, state)
    assert site.content() == site.unplanned
    assert len(report["resumed"]) == resumes
    new = next(run for run in runs_of(site, state) if run.started.run == report["run"])
    assert Counter(one.path for one in site.deletes()) == new.intents


SLOW_DISK = """
import os, time
really_sync = os.fsync
def sync(file):
    found = os.fstat(file)
    time.sleep(0.3)
    really_sync(file)
    if os.readlink(f"/proc/self/fd/{file}").endswith(".jsonl"):
        with open("synced", "w") as log:
            log.write(str(found.st_size))
os.fsync = sync
from reconciler.cli import main
main()
"""
"""Runs a command on a disk that takes its time, and notes how much of the journal is on it."""


def test_a_delete_is_not_sent_before_its_intent_is_on_disk(site: Site, tmp_path: Path) -> None:
    """Seen at the moment itself: the store has requests of all workers, and never answers.

    Tried out: with ``append`` instead of ``commit`` for the intent, the requests come before the
    disk has it.
    """
    site.prepare(planned=8)
    site.emulator.set_faults(Faults((site.once_proven(FaultRule(FaultKind.HANG)),)))
    script = tmp_path / "slow_disk.py"
    script.write_text(SLOW_DISK)
    child = site.start_apply(program=(str(script),))
    wait_until(lambda: len(site.deletes()) == 1 + 4, during=child)
    synced = int((site.folder / "synced").read_text())
    (path,) = site.runs.glob("*.jsonl")
    assert killed(child)
    os.truncate(path, synced)
    sent = {one.path for one in site.deletes()}
    assert sent <= {site.path_of(one) for one in named_by(path, Intent)}
