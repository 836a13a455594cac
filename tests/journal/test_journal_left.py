"""A run whose process died gets into the log by the next run on one of its stores, and only then.

That holds its locks, so the run is over: whatever it wrote is all that it will ever have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import BrokenJournal
from reconciler.journal.ending import add_left_runs
from reconciler.journal.latest import links_of_run
from reconciler.journal.places.disk import DiskState
from reconciler.journal.records import FirstRecord, Record, Restored, RestoreStarted
from reconciler.journal.writer import RunJournal
from reconciler.model.desired import Reason, ReasonCode
from reconciler.model.outcome import Outcome
from reconciler.model.problem import Source
from reconciler.objects.disk import Disk

from .by_hand import heads_of, lines_of, log_of, measure, replace_in
from .runs import END, INSTANCE, NOON, OTHER, PLAN, STORE, apply_of, intent, plan_of, write


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def logged(runs: Path) -> list[tuple[str, int, str]]:
    return [(one["run"], one["size"], one["root"]) for one in log_of(runs)]


def dies(state: Path, run: str, *records: Record, **given: Any) -> Path:
    """A run whose process is gone before the log has it."""
    write_only(state, apply_of(run, **given), *records)
    return state / "runs" / f"{run}.jsonl"


def write_only(state: Path, first: FirstRecord, *records: Record) -> None:
    with RunJournal.create(DiskState(state), first) as journal:
        for record in records:
            journal.commit(record)


@pytest.mark.parametrize("records", [[], [intent(1)], [intent(1), END]], ids=["a", "b", "ended"])
def test_the_next_apply_on_its_store_adds_it(
    tmp_path: Path, runs: Path, records: list[Record]
) -> None:
    path = dies(tmp_path, "a", *records)
    assert logged(runs) == []

    with RunJournal.create(DiskState(tmp_path), apply_of("b")) as journal:
        assert logged(runs) == [("a", *measure(path))]
        journal.commit(END)
        journal.finish()

    assert logged(runs) == [("a", *measure(path)), ("b", *measure(runs / "b.jsonl"))]
    write(tmp_path, apply_of("c"), END)
    assert [run for run, _, _ in logged(runs)] == ["a", "b", "c"]


def test_the_next_restore_on_its_store_adds_it_and_a_restore_is_added(
    tmp_path: Path, runs: Path
) -> None:
    dies(tmp_path, "a", intent(1))
    reason = Reason(ReasonCode.QUALITY_CONTROL_INTENT)
    source = Source("specs/a.yaml", 7)
    restore = RestoreStarted(
        run="r",
        time=NOON,
        tool_version="1.0",
        restores=("a",),
        endpoint="https://example.org",
        stores=(STORE,),
        planned=1,
    )
    write_only(
        tmp_path, restore, Restored(NOON, 0, INSTANCE, "a", Outcome.IDENTICAL, source, reason)
    )
    assert [run for run, _, _ in logged(runs)] == ["a"]
    write_only(tmp_path, apply_of("b"))
    assert logged(runs)[1:] == [("r", *measure(runs / "r.jsonl"))]


def test_a_run_on_another_store_leaves_it_alone_while_it_is_under_way(
    tmp_path: Path, runs: Path
) -> None:
    """Else its entry would be that of half a run."""
    with RunJournal.create(DiskState(tmp_path), apply_of("a", stores=(STORE,))) as under_way:
        under_way.commit(intent(1))
        write(tmp_path, apply_of("b", stores=(OTHER,)), intent(2), END)
        assert [run for run, _, _ in logged(runs)] == ["b"]
        under_way.commit(intent(2))
        under_way.commit(END)
        under_way.finish()
    assert logged(runs) == [(run, *measure(runs / f"{run}.jsonl")) for run in "ba"]


def test_one_store_in_common_is_enough(tmp_path: Path, runs: Path) -> None:
    dies(tmp_path, "a", intent(1), stores=(STORE, OTHER))
    write_only(tmp_path, apply_of("b", stores=(OTHER,)))
    assert [run for run, _, _ in logged(runs)] == ["a"]


def test_what_it_has_is_all_whole_records(tmp_path: Path, runs: Path) -> None:
    """Cut at any byte, as a power loss does."""
    path = dies(tmp_path, "a", intent(1), intent(2))
    whole = path.read_bytes()
    for number, end in enumerate(range(len(whole), 0, -37)):
        state = tmp_path / str(number)
        copy = state / "runs" / "a.jsonl"
        copy.parent.mkdir(parents=True)
        copy.write_bytes(whole[:end])
        write_only(state, apply_of("b"))
        expected = [("a", *measure(copy))] if lines_of(copy) else []
        assert logged(copy.parent) == expected


def test_a_run_that_never_started_is_in_no_log(tmp_path: Path, runs: Path) -> None:
    runs.mkdir()
    (runs / "a.jsonl").write_bytes(b"")
    (runs / "b.jsonl").write_bytes(b'{"type":"segment","num')
    write(tmp_path, apply_of("c"), END)
    assert [run for run, _, _ in logged(runs)] == ["c"]


def test_a_broken_run_is_never_added_and_nothing_begins(tmp_path: Path, runs: Path) -> None:
    """Its entry would say that it always was as it is."""
    path = dies(tmp_path, "a", intent(1), intent(2))
    path.write_bytes(path.read_bytes().replace(b"1.2.3.1", b"1.2.3.9"))
    with pytest.raises(BrokenJournal):
        RunJournal.create(DiskState(tmp_path), apply_of("b"))
    assert logged(runs) == []
    assert [path.name for path in runs.glob("*.jsonl")] == ["a.jsonl"]


def test_a_run_in_the_log_is_not_measured_again(tmp_path: Path, runs: Path) -> None:
    """What was changed since must not get an entry that makes it right."""
    write(tmp_path, apply_of("a"), intent(1), END)
    before = logged(runs)
    replace_in(runs / "a.jsonl", b"1.2.3.1", b"1.2.3.9")
    write(tmp_path, apply_of("b"), END)
    assert logged(runs)[:1] == before
    assert [run for run, _, _ in logged(runs)] == ["a", "b"]


def test_plans_add_none(tmp_path: Path, runs: Path) -> None:
    """They hold no lock, so an apply of their store may be under way."""
    dies(tmp_path, "a", intent(1))
    write(tmp_path, plan_of("p"), PLAN)
    assert logged(runs) == []
    assert [run for run, _, _ in logged(tmp_path / "observations")] == ["p"]


def test_two_that_find_it_at_once_say_the_same_and_it_is_there_once(
    tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds the lock of another of its stores."""
    path = dies(tmp_path, "a", intent(1), stores=(STORE, OTHER))
    create = Disk.create

    def after_the_other(objects: Disk, name: str, data: bytes) -> bool:
        monkeypatch.undo()
        add_left_runs(DiskState(tmp_path), (OTHER,), lambda _: True)
        return create(objects, name, data)

    monkeypatch.setattr(Disk, "create", after_the_other)
    add_left_runs(DiskState(tmp_path), (STORE,), lambda _: True)

    assert logged(runs) == [("a", *measure(path))]


def test_the_next_run_but_one_names_a_head_with_it(tmp_path: Path, runs: Path) -> None:
    dies(tmp_path, "a", intent(1))
    write(tmp_path, apply_of("b", **links_of_run(DiskState(tmp_path))), END)
    assert links_of_run(DiskState(tmp_path))["previous_head"] == heads_of(runs)[-1]
    assert [one["run"] for one in log_of(runs)] == ["a", "b"]
