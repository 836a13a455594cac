"""The log of the runs that are over is one chain, whoever adds to it and whenever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.errors import BrokenJournal, JournalError
from reconciler.journal.log import LogEntry, RunLog
from reconciler.journal.places.disk import DiskState
from reconciler.journal.state import OBSERVATIONS, RUNS

from .by_hand import heads_of, log_files, log_of, sha256

ADD = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from reconciler.journal.log import RunLog
from reconciler.objects.disk import Disk

log, who, count = RunLog(Disk(Path(sys.argv[1])), "runs"), sys.argv[2], int(sys.argv[3])
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
with ThreadPoolExecutor(8) as pool:
    for head in pool.map(lambda one: log.add(f"{who}-{one}", one, "0" * 64), range(count)):
        print(head)
"""


@pytest.fixture
def log(tmp_path: Path) -> RunLog:
    """A log of three runs."""
    log = RunLog(DiskState(tmp_path).objects, RUNS)
    for number, run in enumerate("abc"):
        log.add(run, number + 2, sha256(run.encode()))
    return log


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def test_each_entry_names_the_one_before(log: RunLog, runs: Path) -> None:
    entries = log_of(runs)

    assert [entry["run"] for entry in entries] == ["a", "b", "c"]
    assert [entry.run for entry, _ in log] == ["a", "b", "c"]
    assert [head for _, head in log] == heads_of(runs)
    last = LogEntry(3, heads_of(runs)[1], "c", 4, sha256(b"c"))
    assert log.latest() == (last, heads_of(runs)[-1])
    assert log.add("d", 1, "0" * 64) == heads_of(runs)[-1]


def test_what_is_there_stays_as_it_is(log: RunLog, runs: Path) -> None:
    before = {path: (path.read_bytes(), path.stat().st_ino) for path in log_files(runs)}
    log.add("d", 1, "0" * 64)
    assert (
        before.items()
        <= {path: (path.read_bytes(), path.stat().st_ino) for path in log_files(runs)}.items()
    )


def test_plans_and_applies_have_logs_of_their_own(log: RunLog, tmp_path: Path) -> None:
    observations = RunLog(DiskState(tmp_path).objects, OBSERVATIONS)
    assert observations.latest() is None
    head = observations.add("p", 1, "0" * 64)
    assert heads_of(tmp_path / "observations") == [head]
    assert len(log_of(tmp_path / "runs")) == 3


def test_a_log_of_nothing_has_no_latest(tmp_path: Path) -> None:
    assert RunLog(DiskState(tmp_path).objects, RUNS).latest() is None
    assert list(RunLog(DiskState(tmp_path).objects, RUNS)) == []
    assert not (tmp_path / "runs").exists()


def test_threads_that_add_at_once_make_one_chain(log: RunLog, runs: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        heads = list(pool.map(lambda one: log.add(f"t-{one}", one, "0" * 64), range(80)))

    entries = log_of(runs)
    assert sorted(heads) == sorted(heads_of(runs)[3:])
    by_run = {entry["run"]: head for entry, head in zip(entries, heads_of(runs), strict=True)}
    assert heads == [by_run[f"t-{one}"] for one in range(80)]


def test_processes_that_add_at_once_make_one_chain(tmp_path: Path, runs: Path) -> None:
    """Tried: with an entry that is renamed into place, one of two is written over."""
    command = [sys.executable, "-c", ADD, str(tmp_path)]
    pipe = subprocess.PIPE
    children = [
        subprocess.Popen([*command, who, "60"], stdin=pipe, stdout=pipe, text=True)
        for who in ("p", "q")
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    heads = [head for child in children for head in child.communicate("go\n")[0].split()]
    assert [child.returncode for child in children] == [0, 0]

    entries = log_of(runs)
    assert sorted(entry["run"] for entry in entries) == sorted(
        f"{who}-{one}" for who in "pq" for one in range(60)
    )
    assert sorted(heads) == sorted(heads_of(runs))


def test_a_listing_that_lacks_the_newest_does_no_harm(
    log: RunLog, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of an object store may be."""
    monkeypatch.setattr("reconciler.objects.disk.Disk.names", lambda *_: iter(()))
    head = log.add("d", 1, "0" * 64)
    assert [entry["run"] for entry in log_of(runs)] == ["a", "b", "c", "d"]
    assert head == heads_of(runs)[-1]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"[" * 10**5,
        b"{}",
        b'{"number": 3}',
        b'{"number": 2, "previous": null, "run": "c", "size": 1, "root": "0"}',
        b'{"number": 3, "previous": 5, "run": "c", "size": 1, "root": "0"}',
        b'{"number": 3, "previous": null, "run": "c", "size": -1, "root": "0"}',
    ],
)
def test_what_is_no_entry_stops_whoever_would_add_to_it(
    log: RunLog, runs: Path, data: bytes
) -> None:
    (runs / "log" / "00000003.json").write_bytes(data)

    for use in (log.latest, lambda: list(log), lambda: log.add("d", 1, "0" * 64)):
        with pytest.raises(BrokenJournal, match=r"runs/log/00000003\.json: ") as caught:
            use()
        assert "restore" in (caught.value.hint or "")
    assert len(log_files(runs)) == 3


def test_an_entry_under_the_number_of_another_is_found(log: RunLog, runs: Path) -> None:
    os.link(runs / "log" / "00000002.json", runs / "log" / "00000004.json")
    with pytest.raises(BrokenJournal, match="it is entry 2"):
        log.latest()


def test_a_later_minor_version_may_say_more(log: RunLog, runs: Path) -> None:
    path = runs / "log" / "00000003.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"more": 1}))
    head = log.add("d", 1, "0" * 64)
    assert log_of(runs)[-1]["previous"] == sha256(path.read_bytes())
    assert head == heads_of(runs)[-1]


def test_other_files_beside_the_entries_are_none_of_them(log: RunLog, runs: Path) -> None:
    for name in ("notes.txt", "1.json", "000000004.json", ".00000004.json.abc", "00000004.json~"):
        (runs / "log" / name).write_text("x")
    assert [entry.run for entry, _ in log] == ["a", "b", "c"]
    log.add("d", 1, "0" * 64)
    assert json.loads((runs / "log" / "00000004.json").read_bytes())["run"] == "d"


@pytest.mark.parametrize("place", ["log", "log/00000004.json"])
def test_a_link_to_nowhere_ends_in_an_error_and_not_in_waiting(
    log: RunLog, runs: Path, place: str
) -> None:
    if place == "log":
        (runs / "log").rename(runs / "gone")
    (runs / place).symlink_to(runs / "nowhere")
    with pytest.raises(JournalError):
        log.add("d", 1, "0" * 64)
