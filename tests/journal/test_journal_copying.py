"""`state copy`: all of the record, byte for byte, either way and as often as it takes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Event

import pytest

from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import verify
from reconciler.cli.main import run as type_command
from reconciler.errors import JournalError, StateError
from reconciler.journal.delivery_log import DeliveryLog
from reconciler.journal.history import History
from reconciler.journal.latest import links_of_run
from reconciler.journal.places.copying import copy_state
from reconciler.journal.places.disk import DiskState
from reconciler.journal.state import State, Wanted
from reconciler.journal.writer import RunJournal
from reconciler.model.lock import Holder
from reconciler.objects.disk import Disk

from .places import Place, bucket_state
from .runs import END, OTHER, PLAN, STORE, apply_of, intent, plan_of, write

RECORDED = ("runs", "observations", "plans", "delivered")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with runs that are over and one that is torn, plans, and what a receiver has."""
    folder = tmp_path / "source"
    write(folder, apply_of("a"), *map(intent, range(1, 6)), END)
    write(folder, plan_of("p"), PLAN)
    write(folder, apply_of("torn", stores=(OTHER,)), intent(1), intent(2))
    torn = folder / "runs" / "torn.jsonl"
    torn.write_bytes(torn.read_bytes()[:-20])
    write(folder, apply_of("b"), END)
    state = DiskState(folder)
    state.objects.create("plans/plan-1.json", b"{}\n")
    DeliveryLog(state.objects, "[::1]:6514").add([b"one"])
    holder = Holder("r", "me", "h", 7)
    with state.hold(Wanted(frozenset({STORE}), holder, "now", 1, print, print, Event())):
        pass
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    """What is on record below a state folder; locks are not."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] in RECORDED
    }


def run_copy(source: object, target: object, code: int = 0) -> None:
    assert type_command(["state", "copy", str(source), str(target)]) == code


def test_from_a_folder_to_a_bucket_and_back_nothing_changes(source: Path, tmp_path: Path) -> None:
    before = files_of(source)
    bucket = bucket_state(tmp_path / "bucket")
    assert copy_state(DiskState(source), bucket) == 4
    assert copy_state(bucket, DiskState(tmp_path / "back")) == 4
    second = bucket_state(tmp_path / "second")
    assert copy_state(bucket, second) == 4

    assert files_of(source) == before == files_of(tmp_path / "back")
    assert files_of(tmp_path / "bucket") == files_of(tmp_path / "second")
    place = Place("bucket", tmp_path / "bucket")
    for run in ("a", "b", "torn"):
        assert place.file(run).read_bytes() == before[f"runs/{run}.jsonl"]
    assert len(place.objects("a")) == 7
    assert not (tmp_path / "bucket" / "stores").exists()
    assert not (tmp_path / "back" / "locks").exists()
    for path in (tmp_path / "back").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0

    origin = verify(Snapshot.take(DiskState(source)))
    for state in (bucket, second, DiskState(tmp_path / "back")):
        found = verify(Snapshot.take(state))
        assert [one.kind for one in found.findings] == [one.kind for one in origin.findings]
        assert (found.runs, found.records) == (origin.runs, origin.records)
        runs = [one.run.name for one in History.read(state).runs]
        assert runs == [one.run.name for one in History.read(DiskState(source)).runs]


def test_a_copied_record_goes_on_in_its_new_place(source: Path, tmp_path: Path) -> None:
    bucket = bucket_state(tmp_path / "bucket")
    copy_state(DiskState(source), bucket)
    write_to(bucket, "c")
    copy_state(bucket, DiskState(source))
    assert [one.run.name for one in History.read(DiskState(source)).runs][-1] == "c"
    found = verify(Snapshot.take(DiskState(source)))
    assert not found.count(corruption=True)


def write_to(state: State, run: str) -> None:
    with RunJournal.create(state, apply_of(run, **links_of_run(state))) as journal:
        journal.commit(END)
        journal.finish()


def interrupting(monkeypatch: pytest.MonkeyPatch, after: int, *, is_done: bool) -> None:
    """The process is killed at one of its creates: before it, or before it hears of it."""
    create, calls = Disk.create, count()

    def dies(objects: Disk, name: str, data: bytes) -> bool:
        if next(calls) < after:
            return create(objects, name, data)
        if is_done:
            create(objects, name, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(Disk, "create", dies)


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("to", ["disk", "bucket"])
def test_a_copy_that_was_interrupted_anywhere_is_completed(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, is_done: bool
) -> None:
    """And before that, no run is in a log of the copy that is not there."""
    whole = Place(to, tmp_path / "whole")
    copy_state(DiskState(source), whole.state)
    wanted = files_of(whole.folder)
    for after in range(len(wanted)):
        target = Place(to, tmp_path / f"target-{after}")
        with monkeypatch.context() as patched:
            interrupting(patched, after, is_done=is_done)
            with pytest.raises(KeyboardInterrupt):
                copy_state(DiskState(source), target.state)
        if target.state.exists:
            assert Snapshot.take(target.state).missing == ()
        assert copy_state(DiskState(source), target.state) == 4
        assert copy_state(DiskState(source), target.state) == 4
        assert files_of(target.folder) == wanted


def longer(folder: Path) -> None:
    with (folder / "runs" / "a.jsonl").open("ab") as file:
        file.write(b"more")


def shorter(folder: Path) -> None:
    path = folder / "runs" / "a.jsonl"
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize("to", ["disk", "bucket"])
@pytest.mark.parametrize(
    ("change", "what"),
    [
        (longer, "runs/a"),
        (shorter, "runs/a"),
        (lambda folder: (folder / "plans" / "plan-1.json").write_bytes(b"[]"), "plans/plan-1"),
        (lambda folder: write(folder, apply_of("c"), END), None),
    ],
)
def test_a_target_that_has_something_else_is_left_as_it_is(
    source: Path, tmp_path: Path, to: str, change: Callable[[Path], object], what: str | None
) -> None:
    target = Place(to, tmp_path / "target")
    copy_state(DiskState(source), target.state)
    before = files_of(target.folder)
    change(source)
    if what is None:  # it went on, and so does the copy
        assert copy_state(DiskState(source), target.state) == 5
        return
    with pytest.raises(StateError, match=f"holds another {what}") as caught:
        copy_state(DiskState(source), target.state)
    assert "copy to a place that is empty" in (caught.value.hint or "")
    assert files_of(target.folder) == before


def test_a_bucket_with_a_longer_run_of_that_name_is_left_as_it_is(
    source: Path, tmp_path: Path
) -> None:
    target = Place("bucket", tmp_path / "target")
    copy_state(DiskState(source), target.state)
    path = target.folder / "runs" / "b" / "00000002"
    path.write_bytes(b"?")
    with pytest.raises(StateError, match="holds another runs/b"):
        copy_state(DiskState(source), target.state)


def test_another_record_under_way_in_the_target_is_not_mixed_with_it(
    source: Path, tmp_path: Path
) -> None:
    """Its log has other entries, and its runs stay as they are."""
    other = tmp_path / "other"
    write(other, apply_of("x"), END)
    before = files_of(other)
    with pytest.raises(StateError, match=r"holds another runs/log/00000001\.json"):
        copy_state(DiskState(source), DiskState(other))
    assert before.items() <= files_of(other).items()


def test_what_somebody_else_put_there_is_not_copied(source: Path, tmp_path: Path) -> None:
    wanted = files_of(source)
    for name in ("plans/x.json~", "runs/log/.x", "runs/log/notes", "delivered/.x", "runs/notes"):
        (source / name).write_bytes(b"?")
    copy_state(DiskState(source), DiskState(tmp_path / "copy"))
    assert files_of(tmp_path / "copy") == wanted


def test_a_run_that_cannot_have_its_name_is_an_error(source: Path, tmp_path: Path) -> None:
    for name in ("a b.jsonl", "log.jsonl", ".x.jsonl"):
        path = source / "runs" / name
        path.write_bytes(b"")
        with pytest.raises(JournalError, match="its name is not that of a run"):
            copy_state(DiskState(source), bucket_state(tmp_path / "bucket"))
        path.unlink()


def test_a_broken_run_is_copied_as_it_is_and_verify_says_so(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = source / "runs" / "a.jsonl"
    path.write_bytes(path.read_bytes().replace(b"1.2.3.3", b"1.2.3.9"))
    (tmp_path / "bucket").mkdir()
    run_copy(source, (tmp_path / "bucket").as_uri(), code=3)
    told = capsys.readouterr()
    assert "has the 4 runs of" in told.err
    assert "the chain is broken" in told.out
    run_copy((tmp_path / "bucket").as_uri(), tmp_path / "back", code=3)
    assert files_of(source) == files_of(tmp_path / "back")


def test_the_command_copies_either_way_and_again(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bucket").mkdir()
    url = (tmp_path / "bucket").as_uri()
    for _ in range(2):
        run_copy(source, url)
        run_copy(url, tmp_path / "back")
    assert "has the 4 runs of" in capsys.readouterr().err
    assert files_of(source) == files_of(tmp_path / "back")


def test_a_source_that_is_not_there_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tried: nothing was copied, and that was a success."""
    for source in (tmp_path / "none", (tmp_path / "none").as_uri()):
        run_copy(source, tmp_path / "target", code=1)
        assert "none" in capsys.readouterr().err
    assert not (tmp_path / "target").exists()


def test_a_run_in_a_bucket_with_a_gap_is_not_copied(source: Path, tmp_path: Path) -> None:
    bucket = Place("bucket", tmp_path / "bucket")
    copy_state(DiskState(source), bucket.state)
    (bucket.folder / "runs" / "a" / "00000003").unlink()
    with pytest.raises(JournalError, match="a/00000003: the segment is missing"):
        copy_state(bucket.state, DiskState(tmp_path / "back"))
    assert not (tmp_path / "back" / "runs" / "log").exists()
