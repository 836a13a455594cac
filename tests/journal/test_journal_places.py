"""What holds for a record wherever it lies, in a folder or in a bucket."""

from __future__ import annotations

import errno
import gzip
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import verify
from reconciler.errors import BrokenJournal, JournalError, StateError
from reconciler.journal.history import History
from reconciler.journal.latest import links_of_run
from reconciler.journal.log import RunLog
from reconciler.journal.places.disk import DiskSink
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import FirstRecord, Intent, Record
from reconciler.journal.state import OBSERVATIONS, RUNS, State
from reconciler.journal.writer import RunJournal
from reconciler.model.verification import FindingKind
from reconciler.objects.disk import Disk

from .by_hand import heads_of, log_of, measure, segments_of
from .places import Place
from .runs import END, OTHER, PLAN, STORE, apply_of, intent, plan_of

FIRST = apply_of("run-1")
COMMIT_FOR_EVER = """
import os, sys, threading
from pathlib import Path
from tests.journal.places import Place
from tests.journal.runs import apply_of, intent
from reconciler.journal.writer import RunJournal

journal = RunJournal.create(Place(sys.argv[1], Path(sys.argv[2])).state, apply_of("run-1"))

def work(start):
    for attempt in range(start, 10_000_000, 4):
        journal.commit(intent(attempt))
        os.write(1, b"%d\\n" % attempt)

for start in range(1, 5):
    threading.Thread(target=work, args=(start,)).start()
"""


@pytest.fixture(params=["disk", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(request.param, tmp_path / "state")


def write(state: State, first: FirstRecord, *records: Record) -> str:
    """Write a run, each record a segment; the head of the log if it has an end, else nothing."""
    with RunJournal.create(state, first) as journal:
        for record in records:
            journal.commit(record)
        return journal.finish() if END in records or PLAN in records else ""


def records_of(state: State, run: str, folder: str = RUNS) -> list[Record]:
    file = state.run_file(folder, run)
    assert file is not None
    return list(RunRecords(file))


def attempts(state: State) -> list[int]:
    return [one.attempt for one in records_of(state, "run-1") if isinstance(one, Intent)]


def fail_from_now_on(monkeypatch: pytest.MonkeyPatch, pause: float = 0.0) -> None:
    def fails(*_: object, **__: object) -> bool:
        threading.Event().wait(pause)  # so that others queue behind it
        raise StateError("the bucket is away")

    def fsync(_: object) -> None:
        threading.Event().wait(pause)
        raise OSError(errno.EIO, "the disk is away")

    monkeypatch.setattr(Disk, "create", fails)
    monkeypatch.setattr(os, "fsync", fsync)


# -- writing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("commits", [1, 40, 200])
def test_kill_9_loses_no_commit_that_returned(place: Place, commits: int) -> None:
    """Tried: with a `commit` that does not wait, numbers that were printed are missing."""
    command = [sys.executable, "-c", COMMIT_FOR_EVER, place.kind, str(place.folder)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as child:
        assert child.stdout is not None
        printed = [int(child.stdout.readline()) for _ in range(commits)]
        child.send_signal(signal.SIGKILL)
        printed += [int(line) for line in child.stdout if line.endswith(b"\n")]
    assert child.returncode == -signal.SIGKILL

    assert set(printed) <= set(attempts(place.state))
    history = History.read(place.state)
    assert len(history.open_attempts(STORE, FIRST.endpoint)) >= len(printed)


def test_the_first_failure_is_final_and_every_thread_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried: a writer that goes on after the error lets later commits return."""
    journal = RunJournal.create(place.state, FIRST)
    with monkeypatch.context() as patched:
        fail_from_now_on(patched, pause=0.1)
        with ThreadPoolExecutor(8) as pool:
            commits = [pool.submit(journal.commit, intent(attempt)) for attempt in range(1, 9)]
        assert all(isinstance(commit.exception(), JournalError) for commit in commits)
        assert "is away" in str(commits[0].exception())

    for call in (
        lambda: journal.append(intent(9)),
        lambda: journal.commit(intent(9)),
        journal.close,
        journal.finish,
    ):
        with pytest.raises(JournalError, match="is away"):
            call()
    assert 9 not in attempts(place.state)
    assert log_of(place.folder / RUNS) == []


def test_many_threads_share_each_segment_and_keep_one_chain(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried: with one segment a record the count is that of the commits."""
    pause = threading.Event()
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (pause.wait(0.005), fsync(fd))[1])

    with RunJournal.create(place.state, FIRST) as journal, ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda attempt: journal.commit(intent(attempt)), range(1, 321)))

    assert sorted(attempts(place.state)) == list(range(1, 321))
    assert 320 / 16 <= len(segments_of(place.file("run-1"))) - 1 < 320 / 4


def test_what_was_appended_is_durable_with_the_next_commit_and_after_the_end(place: Place) -> None:
    with RunJournal.create(place.state, FIRST) as journal:
        for attempt in range(1, 50):
            journal.append(intent(attempt))
        journal.commit(intent(50))
        assert attempts(place.state) == list(range(1, 51))
        journal.append(intent(51))
    assert attempts(place.state) == list(range(1, 52))


def test_a_run_of_the_same_name_is_never_written_over(place: Place) -> None:
    write(place.state, FIRST, intent(1))
    before = place.file("run-1").read_bytes()
    with pytest.raises(JournalError, match="run-1"):
        RunJournal.create(place.state, apply_of("run-1", stores=(OTHER,)))
    assert place.file("run-1").read_bytes() == before


def test_the_name_of_a_run_cannot_lead_out_of_its_place(place: Place) -> None:
    for name in ("../run", "", "log", ".run", "a/b"):
        with pytest.raises(ValueError, match="name of a run"):
            RunJournal.create(place.state, apply_of(name))
        assert place.state.run_file(RUNS, name) is None
    assert list(place.state.run_files(RUNS)) == []


def test_a_bucket_holds_byte_for_byte_what_a_folder_does(tmp_path: Path) -> None:
    """For the same records and secret, written in the same segments."""
    disk, bucket = Place("disk", tmp_path / "disk"), Place("bucket", tmp_path / "bucket")
    runs: list[tuple[FirstRecord, list[Record]]] = [
        (apply_of("a"), [intent(1), intent(2), END]),
        (apply_of("b"), []),
        (plan_of("p"), [PLAN]),
    ]
    heads = [[write(one.state, first, *some) for first, some in runs] for one in (disk, bucket)]
    assert heads[0] == heads[1]
    for run, folder in (("a", RUNS), ("b", RUNS), ("p", OBSERVATIONS)):
        assert disk.file(run, folder).read_bytes() == bucket.file(run, folder).read_bytes()
    assert heads_of(disk.folder / RUNS) == heads_of(bucket.folder / RUNS)


# -- reading ---------------------------------------------------------------------------------


def test_the_records_come_back_with_their_lines_counted(place: Place) -> None:
    write(place.state, FIRST, intent(1), END)
    file = place.state.run_file(RUNS, "run-1")
    assert file is not None
    records = RunRecords(file, measures=True)
    for _ in range(2):
        assert list(records) == [FIRST, intent(1), END]
        assert records.tree is not None
        assert (records.tree.size, records.tree.root) == measure(place.file("run-1"))
        assert not records.torn_tail
    assert records.place == f"{file.place}:6"
    assert str(place.folder) in file.place


def test_a_run_grows_after_it_was_found_and_is_read_as_it_was_found(place: Place) -> None:
    journal = RunJournal.create(place.state, FIRST)
    (file,) = place.state.run_files(RUNS)
    assert list(RunRecords(file)) == [FIRST]
    assert not file.has_grown
    journal.commit(intent(1))
    assert file.has_grown
    assert list(RunRecords(file)) == [FIRST]
    journal.close()
    assert attempts(place.state) == [1]


def test_a_listing_that_lacks_the_newest_segments_hides_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place("bucket", tmp_path / "state")
    write(place.state, FIRST, *(intent(number) for number in range(1, 9)))
    names = Disk.names
    monkeypatch.setattr(Disk, "names", lambda self, name: list(names(self, name))[:1])
    (file,) = place.state.run_files(RUNS)
    assert len(list(RunRecords(file))) == 9


def test_a_place_that_has_nothing_has_no_history(place: Place) -> None:
    assert History.read(place.state).runs == []
    assert links_of_run(place.state) == {
        "after": (),
        "previous_head": None,
        "previous_observation": None,
    }


def test_a_run_that_was_left_is_added_by_the_next_on_its_store_alone(place: Place) -> None:
    write(place.state, apply_of("a"), intent(1))
    write(place.state, apply_of("b", stores=(OTHER,)), END)
    assert [one["run"] for one in log_of(place.folder / RUNS)] == ["b"]
    write(place.state, apply_of("c"), END)
    entries = log_of(place.folder / RUNS)
    assert [(one["run"], one["size"], one["root"]) for one in entries[1:]] == [
        (run, *measure(place.file(run))) for run in "ac"
    ]
    assert [one.run.name for one in History.read(place.state).runs] == ["a", "b", "c"]


def test_threads_that_add_to_the_log_at_once_make_one_chain(place: Place) -> None:
    log = RunLog(place.state.objects, RUNS)
    with ThreadPoolExecutor(8) as pool:
        heads = list(pool.map(lambda one: log.add(f"t-{one}", one, "0" * 64), range(40)))
    assert len(log_of(place.folder / RUNS)) == 40
    assert sorted(heads) == sorted(heads_of(place.folder / RUNS))


def test_the_history_is_the_same_in_both(tmp_path: Path) -> None:
    found = []
    for place in (Place("disk", tmp_path / "disk"), Place("bucket", tmp_path / "bucket")):
        for number, run in enumerate("badc"):
            links = links_of_run(place.state)
            write(
                place.state,
                apply_of(run, plan_id=f"p{number}", secret="5e" * 32, **links),
                intent(number + 1),
            )
        history = History.read(place.state)
        open_ones = history.open_attempts(STORE, FIRST.endpoint)
        found.append(
            (
                [one.run.name for one in history.runs],
                [(one.run.name, one.instance) for one in open_ones],
                links_of_run(place.state),
            )
        )
    assert found[0] == found[1]
    assert found[0][0] == ["b", "a", "d", "c"]


def test_a_disk_closes_the_file_of_a_run_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = DiskSink(tmp_path / "run.jsonl")
    with monkeypatch.context() as patched:
        fail_from_now_on(patched)
        with pytest.raises(OSError, match="the disk is away"):
            sink.write(b"x", is_awaited=True)
    with pytest.raises(ValueError, match="closed file"):
        sink.write(b"y", is_awaited=True)


# -- what is broken in a bucket --------------------------------------------------------------


@pytest.fixture
def bucket(tmp_path: Path) -> Place:
    """Two runs that are in no log, with four segments each."""
    place = Place("bucket", tmp_path / "state")
    for run, store in (("a", STORE), ("b", OTHER)):
        write(place.state, apply_of(run, stores=(store,)), intent(1), intent(2), intent(3))
    return place


def segment(place: Place, run: str, number: int) -> Path:
    return place.folder / RUNS / run / f"{number:08}"


def require_found(place: Place, message: str, where: str) -> None:
    """Nothing is read of it as if it were whole, nothing begins, and verify says so once."""
    for use in (
        lambda: History.read(place.state),
        lambda: RunJournal.create(place.state, apply_of("next", stores=(STORE, OTHER))),
    ):
        with pytest.raises(BrokenJournal, match=message):
            use()
    findings = verify(Snapshot.take(place.state)).findings
    (broken,) = [one for one in findings if one.kind.is_corruption]
    assert re.search(message, broken.message)
    assert where in broken.place


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize(
    "change",
    [
        cut,
        flipped,
        lambda _: b"",
        lambda data: data[:-1],
        lambda data: data[:10],
        lambda data: data + b"more",
        gzip.decompress,
        lambda _: b"rubbish",
        lambda _: gzip.compress(b""),
        lambda _: gzip.compress(b"rubbish\n"),
        lambda data: gzip.compress(gzip.decompress(data).partition(b"\n")[2]),
    ],
)
def test_a_segment_that_is_not_one_is_found(
    bucket: Place, change: Callable[[bytes], bytes], number: int
) -> None:
    path = segment(bucket, "a", number)
    path.write_bytes(change(path.read_bytes()))
    require_found(bucket, "no gzip member|not begin as a segment", f"/runs/a/{number:08}")


@pytest.mark.parametrize("number", range(3))
def test_a_segment_that_is_missing_is_found(bucket: Place, number: int) -> None:
    """Also the first: a run without it is none that never started."""
    segment(bucket, "a", number).unlink()
    require_found(bucket, "the segment is missing", f"/runs/a/{number:08}")


@pytest.mark.parametrize("count", [0, 1, 2, 5, 14, 15])
def test_a_gap_is_found_however_long_the_run_is(tmp_path: Path, count: int) -> None:
    place = Place("bucket", tmp_path / "state")
    write(place.state, apply_of("a"), *map(intent, range(1, 17)))
    segment(place, "a", count).unlink()
    require_found(place, "the segment is missing", f"/runs/a/{count:08}")


@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 2), (2, 3), (0, 3)])
def test_segments_that_were_exchanged_are_found(bucket: Place, one: int, other: int) -> None:
    paths = segment(bucket, "a", one), segment(bucket, "a", other)
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, reversed(contents), strict=True):
        path.write_bytes(content)
    require_found(bucket, r"is due, and not|does not start a run", "/runs/a:")


@pytest.mark.parametrize("number", range(4))
def test_a_segment_of_another_run_is_found(bucket: Place, number: int) -> None:
    segment(bucket, "a", number).write_bytes(segment(bucket, "b", number).read_bytes())
    require_found(bucket, "another run, 'b'|chain is broken", "/runs/a:")


def test_a_line_that_is_torn_before_the_last_segment_is_found(bucket: Place) -> None:
    """A torn tail can only be in the last, where it was copied from a folder."""
    path = segment(bucket, "a", 1)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-9]))
    require_found(bucket, "not JSON|not one JSON", "/runs/a:4")


def test_an_object_that_cannot_be_read_is_an_error_and_nothing_begins(
    bucket: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise StateError("the bucket is away")

    files = list(bucket.state.run_files(RUNS))
    monkeypatch.setattr(Disk, "read", fails)
    for file in files:
        with pytest.raises(JournalError, match="the bucket is away"):
            list(RunRecords(file))
    with pytest.raises(JournalError, match="the bucket is away"):
        History.read(bucket.state)


# -- what somebody else put there ------------------------------------------------------------

STRANGERS = [
    "runs/notes.txt",
    "runs/00000000",
    "runs/a.jsonl",
    "runs/a/notes.txt",
    "runs/a/0",
    "runs/a/000000001",
    "runs/a/00000001.tmp",
    "runs/a/0000000\u0661",
    "runs/a/more/00000000",
    "runs/a b/00000000",
    "runs/.hidden/00000000",
    "runs/~/00000000",
    "runs/" + "x" * 101 + "/00000000",
    "runs/log/notes.txt",
    "runs/log/1.json",
    "runs/log/more/00000009.json",
    "runs/log/00000009.json~",
    "observations/x",
    "observations/p/notes.txt",
]


@pytest.mark.parametrize("name", STRANGERS)
def test_an_object_of_somebody_else_is_told_once_and_hides_nothing(
    tmp_path: Path, name: str
) -> None:
    """Tried: when every first part of a name was a run, these stopped whoever read the history."""
    place = Place("bucket", tmp_path / "state")
    write(place.state, apply_of("a"), intent(1), END)
    path = place.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"?")

    assert [one.run.name for one in History.read(place.state).runs] == ["a"]
    assert [file.name for file in Snapshot.take(place.state).files] == ["a"]
    findings = verify(Snapshot.take(place.state)).findings
    told = [one.place for one in findings if one.kind is FindingKind.UNRECOGNISED]
    assert told == [f"{place.state}/{name}"]
    assert not any(one.kind.is_corruption for one in findings)
    write(place.state, apply_of("b"), END)
    assert [one.entry.run for one in RunLog(place.state.objects, RUNS)] == ["a", "b"]


def test_a_run_of_which_the_beginning_is_missing_stops_what_it_may_hide(tmp_path: Path) -> None:
    """Tried: counted from 0 it had no segment, as one that never started."""
    place = Place("bucket", tmp_path / "state")
    write(place.state, apply_of("a"), END)
    stranger = place.folder / RUNS / "b" / "00000007"
    stranger.parent.mkdir()
    stranger.write_bytes(segment(place, "a", 1).read_bytes())
    require_found(place, "the segment is missing", "/runs/b/00000000")


def test_a_segment_far_behind_the_others_is_found_at_once(bucket: Place) -> None:
    (bucket.folder / RUNS / "a" / "99999999").write_bytes(b"?")
    require_found(bucket, "the segment is missing", "/runs/a/00000004")
