"""A commit that returned is on disk, whatever happens after it; a broken disk stops everything."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.errors import JournalError
from reconciler.journal.latest import links_of_observation
from reconciler.journal.places.disk import DiskState
from reconciler.journal.records import Intent
from reconciler.journal.writer import RunJournal

from ..run_files import run_records
from .by_hand import heads_of, lines_of, log_of, measure, segments_of
from .runs import END, INSTANCE, NOON, PLAN, apply_of, intent, plan_of, write

FIRST = apply_of("run-1")

CHILD = """
import os, resource, sys, threading
from datetime import UTC, datetime
from pathlib import Path
from reconciler.errors import JournalError
from reconciler.journal.records import Intent, RunStarted
from reconciler.journal.writer import RunJournal
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.journal.places.disk import DiskState

noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
store = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
first = RunStarted(
    run="run-1", time=noon, tool_version="1.0", plan_id="plan-1", digest="sha256:0",
    endpoint="https://example.org", stores=(store,), planned=1,
)
journal = RunJournal.create(DiskState(Path(sys.argv[1])), first)

def commit(attempt):
    instance = InstanceAddress("1.2", "1.2.3", "1.2.3.4")
    journal.commit(Intent(noon, 0, instance, attempt))
    os.write(1, b"%d\\n" % attempt)
"""

WRITE_FOR_EVER = (
    CHILD
    + """
def work(start):
    for attempt in range(start, 10_000_000, 4):
        commit(attempt)

for start in range(1, 5):
    threading.Thread(target=work, args=(start,)).start()
"""
)

FILL_THE_DISK = (
    CHILD
    + """
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    for attempt in range(1, 1_000):
        commit(attempt)
except JournalError as error:
    print(error, file=sys.stderr)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    journal.append(first)
except JournalError:
    print("refused", file=sys.stderr)
"""
)


def attempts(path) -> list[int]:
    return [record.attempt for record in run_records(path) if isinstance(record, Intent)]


@pytest.fixture
def run_path(tmp_path):
    return tmp_path / "runs" / "run-1.jsonl"


def test_a_new_journal_is_for_its_owner_only(tmp_path):
    state = tmp_path / "state"
    with RunJournal.create(DiskState(state), FIRST):
        pass

    modes = [stat.S_IMODE(path.stat().st_mode) for path in (state, state / "runs")]
    assert modes == [0o700, 0o700]
    assert stat.S_IMODE((state / "runs" / "run-1.jsonl").stat().st_mode) == 0o600


def test_the_first_record_and_the_name_of_the_file_are_on_disk_at_once(
    tmp_path, run_path, monkeypatch
):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_ino), fsync(fd)))

    with RunJournal.create(DiskState(tmp_path), FIRST):
        assert list(run_records(run_path)) == [FIRST]
        assert len(segments_of(run_path)) == 1
        for path in (tmp_path, run_path.parent, run_path):
            assert path.stat().st_ino in synced


def test_no_run_is_written_over(tmp_path, run_path):
    RunJournal.create(DiskState(tmp_path), FIRST).close()
    before = run_path.read_bytes()

    with pytest.raises(JournalError, match="run-1"):
        RunJournal.create(DiskState(tmp_path), FIRST)
    assert run_path.read_bytes() == before


def test_the_name_of_a_run_cannot_lead_out_of_the_folder(tmp_path):
    for name in ("../run", "", "log", ".run", "a/b"):
        with pytest.raises(ValueError, match="name of a run"):
            RunJournal.create(DiskState(tmp_path), apply_of(name))
    assert list(tmp_path.iterdir()) == []


def test_a_commit_returns_only_after_the_disk_has_answered(tmp_path, run_path, monkeypatch):
    """Tried: with `wait` taken out of `commit`, the thread has ended while the disk still works."""
    disk_answers = threading.Event()
    with RunJournal.create(DiskState(tmp_path), FIRST) as journal:
        monkeypatch.setattr(os, "fsync", lambda _: disk_answers.wait(10))
        thread = threading.Thread(target=journal.commit, args=(intent(1),))
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()

        disk_answers.set()
        thread.join(10)
        assert not thread.is_alive()
    assert attempts(run_path) == [1]


def test_appended_records_are_on_disk_before_a_later_commit_returns_and_after_close(
    tmp_path, run_path
):
    with RunJournal.create(DiskState(tmp_path), FIRST) as journal:
        for attempt in range(1, 50):
            journal.append(intent(attempt))
        journal.commit(intent(50))
        assert attempts(run_path) == list(range(1, 51))
        journal.append(intent(51))

    assert attempts(run_path) == list(range(1, 52))
    lines_of(run_path)  # its chain holds


def test_appended_records_reach_the_file_at_the_cost_of_no_fsync(tmp_path, run_path, monkeypatch):
    """What is in the file outlives the process, so a kill loses no result of a quiet run."""
    fsyncs = []
    pause = threading.Event()
    with RunJournal.create(DiskState(tmp_path), FIRST) as journal:
        monkeypatch.setattr(os, "fsync", fsyncs.append)
        journal.append(intent(1))
        for _ in range(500):
            if attempts(run_path) == [1]:
                break
            pause.wait(0.01)
        assert attempts(run_path) == [1]
        pause.wait(0.05)
        assert fsyncs == []


def test_many_threads_share_each_fsync_and_keep_one_chain(tmp_path, run_path, monkeypatch):
    """Tried: with one fsync a line the count is that of the commits."""
    fsyncs = []
    pause = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda fd: (fsyncs.append(fd), pause.wait(0.005)))

    with RunJournal.create(DiskState(tmp_path), FIRST) as journal, ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda attempt: journal.commit(intent(attempt)), range(1, 321)))

    assert sorted(attempts(run_path)) == list(range(1, 321))
    assert len(segments_of(run_path)) <= len(fsyncs) + 1
    assert 320 / 16 <= len(fsyncs) < 320 / 4


def test_a_commit_costs_one_fsync(tmp_path, monkeypatch):
    fsyncs = []
    with RunJournal.create(DiskState(tmp_path), FIRST) as journal:
        monkeypatch.setattr(os, "fsync", fsyncs.append)
        for attempt in range(1, 11):
            journal.append(intent(attempt))
            journal.append(intent(attempt))
            journal.commit(intent(attempt))
        assert len(fsyncs) == 10


def test_after_a_failed_fsync_every_thread_is_told_and_nothing_more_is_written(
    tmp_path, run_path, monkeypatch
):
    """Tried: a writer that goes on after the error lets later commits return."""
    fsync = os.fsync
    pause = threading.Event()

    def failing(_fd):
        pause.wait(0.1)  # so that the others queue behind it
        raise OSError(errno.EIO, "Input/output error")

    journal = RunJournal.create(DiskState(tmp_path), FIRST)
    monkeypatch.setattr(os, "fsync", failing)
    with ThreadPoolExecutor(8) as pool:
        commits = [pool.submit(journal.commit, intent(attempt)) for attempt in range(1, 9)]
    assert all(isinstance(commit.exception(), JournalError) for commit in commits)
    assert "Input/output error" in str(commits[0].exception())

    monkeypatch.setattr(os, "fsync", fsync)
    size = run_path.stat().st_size
    for call in (
        lambda: journal.append(intent(9)),
        lambda: journal.commit(intent(9)),
        journal.close,
    ):
        with pytest.raises(JournalError, match="Input/output error"):
            call()
    assert run_path.stat().st_size == size
    assert next(iter(run_records(run_path))) == FIRST


def test_a_writer_that_dies_of_a_mistake_leaves_no_thread_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    journal = RunJournal.create(DiskState(tmp_path), FIRST)
    monkeypatch.setattr(os, "fsync", lambda _: 1 / 0)

    with pytest.raises(JournalError, match="unexpectedly"):
        journal.commit(intent(1))


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_vanished_fails_the_next_commit(tmp_path, run_path, replaced):
    """Tried: without the look at the name, the commit goes into a file that nobody will find."""
    journal = RunJournal.create(DiskState(tmp_path), FIRST)
    run_path.unlink()
    if replaced:
        run_path.touch()

    with pytest.raises(JournalError, match="cannot be written"):
        journal.commit(intent(1))
    with pytest.raises(JournalError):
        journal.append(intent(2))


def test_a_closed_journal_takes_nothing_more(tmp_path):
    journal = RunJournal.create(DiskState(tmp_path), FIRST)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append(intent(1))


def test_a_mistaken_record_does_not_harm_the_journal(tmp_path, run_path):
    with RunJournal.create(DiskState(tmp_path), FIRST) as journal:
        with pytest.raises(ValueError, match="time zone"):
            journal.commit(Intent(NOON.replace(tzinfo=None), 0, INSTANCE, 1))
        journal.commit(intent(1))
    assert attempts(run_path) == [1]


def test_what_ended_the_block_is_not_hidden_by_a_failed_journal(tmp_path, run_path):
    def interrupted():
        with RunJournal.create(DiskState(tmp_path), FIRST) as journal:
            run_path.unlink()
            with pytest.raises(JournalError):
                journal.commit(intent(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


def test_a_folder_that_cannot_be_written_is_an_error_before_anything_else(tmp_path):
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(JournalError, match="runs/log cannot be used: Not a directory") as caught:
        RunJournal.create(DiskState(tmp_path), FIRST)
    assert "it must be a folder" in caught.value.hint


def test_a_file_that_cannot_be_made_is_an_error_before_anything_else(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("reconciler.journal.places.disk.make_folder", fail)
    with pytest.raises(JournalError, match="cannot be begun: No space left") as caught:
        RunJournal.create(DiskState(tmp_path), FIRST)
    assert "--state" in caught.value.hint


@pytest.mark.parametrize("commits", [1, 40, 200, 400])
def test_kill_9_loses_no_commit_that_returned(tmp_path, run_path, commits):
    """Tried: with a `commit` that does not wait, numbers that were printed are missing."""
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        printed = [int(child.stdout.readline()) for _ in range(commits)]
        child.send_signal(signal.SIGKILL)
        printed += [int(line) for line in child.stdout if line.endswith(b"\n")]
    assert child.returncode == -signal.SIGKILL

    assert set(printed) <= set(attempts(run_path))


def test_a_full_disk_stops_the_run_and_leaves_a_valid_journal(tmp_path, run_path):
    command = [sys.executable, "-c", FILL_THE_DISK, str(tmp_path)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    printed = [int(line) for line in child.stdout.split()]
    message, refused, *_ = child.stderr.splitlines()  # what measures coverage has no space either
    assert "File too large" in message
    assert refused == "refused"
    records = run_records(run_path)
    committed = [record.attempt for record in records if isinstance(record, Intent)]
    assert printed == committed != []
    assert records.torn_tail
    assert run_path.stat().st_size == 20_000


def test_the_latest_reading_is_the_one_that_no_other_names(tmp_path):
    """Names know only seconds, and what comes after them is random; clocks step back."""
    names = ["20260301T120000Z-zz", "20260301T120000Z-aa", "20260301T114000Z-mm"]
    for name in names:
        head = write(tmp_path, plan_of(name, **links_of_observation(DiskState(tmp_path))), PLAN)
        assert links_of_observation(DiskState(tmp_path)) == {
            "after": (name,),
            "previous_head": None,
            "previous_observation": head,
        }


def test_a_hundred_plans_after_a_clock_that_stood_in_the_future_are_one_chain(tmp_path):
    started = [NOON.replace(year=2036), *(NOON for _ in range(120))]
    for number, time in enumerate(started):
        name = f"{time:%Y%m%dT%H%M%SZ}-{number:04}"
        links = links_of_observation(DiskState(tmp_path))
        assert len(links["after"]) == min(number, 1)
        head = write(tmp_path, plan_of(name, time=time, **links), PLAN)
    assert links_of_observation(DiskState(tmp_path))["after"] == (name,)
    assert links_of_observation(DiskState(tmp_path))["previous_observation"] == head
    assert len(log_of(tmp_path / "observations")) == len(started)


# -- the end of a run ------------------------------------------------------------------------


def test_a_run_that_is_over_is_in_the_log_with_its_size_and_root(tmp_path, run_path):
    with RunJournal.create(DiskState(tmp_path), FIRST) as journal:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: journal.commit(intent(number)), range(1, 41)))
        for number in range(41, 60):
            journal.append(intent(number))
        journal.commit(END)
        assert journal.head is None
        assert log_of(run_path.parent) == []
        head = journal.finish()

    size, root = measure(run_path)
    (entry,) = log_of(run_path.parent)
    assert len(entry.pop("indexes")) == 1
    assert entry == {"number": 1, "previous": None, "run": "run-1", "size": size, "root": root}
    assert size == 61
    assert [head] == [journal.head] == heads_of(run_path.parent)
    records = run_records(run_path, measures=True)
    assert list(records)[-1] == END
    assert (records.tree.size, records.tree.root) == (size, root)


def test_what_is_in_the_log_is_on_disk_before_its_entry(tmp_path, run_path, monkeypatch):
    """Else a power loss could leave an entry for records that nobody ever had."""
    fsync, log = os.fsync, run_path.parent / "log"
    synced = []

    def watched(descriptor):
        file = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((file, len(log_of(run_path.parent))))
        fsync(descriptor)

    journal = RunJournal.create(DiskState(tmp_path), FIRST)
    journal.append(END)
    monkeypatch.setattr(os, "fsync", watched)
    journal.finish()

    assert synced[0] == (run_path, 0)
    assert synced[-1] == (log, 1)
    assert any(file.parent == log and count == 0 for file, count in synced)


def test_a_finished_journal_takes_nothing_more_and_is_in_the_log_once(tmp_path, run_path):
    journal = RunJournal.create(DiskState(tmp_path), FIRST)
    journal.finish()
    with pytest.raises(JournalError, match="closed"):
        journal.append(intent(1))
    journal.close()
    assert len(log_of(run_path.parent)) == 1


def test_a_run_that_failed_on_the_disk_gets_into_no_log(tmp_path, run_path, monkeypatch):
    """What it has is not known; the next run on its store finds that out."""

    def failing(_fd):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        journal = RunJournal.create(DiskState(tmp_path), FIRST)
        patched.setattr(os, "fsync", failing)
        with pytest.raises(JournalError):
            journal.commit(END)
    with pytest.raises(JournalError, match="Input/output error"):
        journal.finish()
    assert journal.head is None
    assert log_of(run_path.parent) == []


def test_a_log_that_cannot_be_written_is_an_error_and_the_record_is_whole(tmp_path, run_path):
    journal = RunJournal.create(DiskState(tmp_path), FIRST)
    (tmp_path / "runs" / "log").write_text("in the way")
    journal.commit(END)
    with pytest.raises(JournalError, match="log"):
        journal.finish()
    assert journal.head is None
    assert list(run_records(run_path)) == [FIRST, END]


def test_a_run_that_cannot_begin_leaves_no_file(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("reconciler.journal.places.disk.os.fsync", fail)
    with pytest.raises(JournalError):
        RunJournal.create(DiskState(tmp_path), FIRST)
    assert list((tmp_path / "runs").iterdir()) == []


def test_nothing_may_be_sent_on_the_record_of_a_run_that_is_closed(tmp_path: Path) -> None:
    """A thread that outlives its run has an intent on record, and no lock any more."""
    journal = RunJournal.create(DiskState(tmp_path), FIRST)
    journal.commit(intent(1))
    journal.require_working()
    journal.close()
    with pytest.raises(JournalError, match="it is closed"):
        journal.require_working()
