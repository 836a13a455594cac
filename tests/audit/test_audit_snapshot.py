"""A record is read as it stood; what is under way is not delivered yet."""

from __future__ import annotations

from pathlib import Path

from reconciler.audit.snapshot import Snapshot
from reconciler.journal.places.disk import DiskState
from reconciler.journal.places.locks import hold_locks
from reconciler.journal.records import RunEnded
from reconciler.model.lock import Holder
from reconciler.model.outcome import Outcome, RunState

from .records import NOON, STORE, attempt, instance, started, write, write_restore

END = RunEnded(NOON, RunState.COMPLETED, dict.fromkeys(Outcome, 0), 0)


def names(snapshot: Snapshot) -> list[str]:
    return [file.name for file in snapshot.files]


def test_an_apply_that_works_on_a_store_now_waits_and_the_others_do_not(tmp_path: Path) -> None:
    write(tmp_path, started("a"), *attempt(instance(1)), END)
    write_restore(tmp_path, "b", "a", instance(1), NOON)
    write(tmp_path, started("c"), *attempt(instance(2)), *attempt(instance(3))[:1])

    with hold_locks(tmp_path, [STORE], holder=Holder("r", "me", "h", 7), since="now"):
        assert DiskState(tmp_path).is_held(STORE)
        assert names(Snapshot.take(DiskState(tmp_path)).without_runs_under_way()) == ["a", "b"]
    assert not DiskState(tmp_path).is_held(STORE)
    assert names(Snapshot.take(DiskState(tmp_path)).without_runs_under_way()) == ["a", "b", "c"]


def test_a_run_that_died_waits_for_the_one_that_resumes_it_and_is_not_missing(
    tmp_path: Path,
) -> None:
    """It is in the log since that one began, and what it left open is not settled yet."""
    write(tmp_path, started("a"), *attempt(instance(1))[:1])
    with hold_locks(tmp_path, [STORE], holder=Holder("r", "me", "h", 7), since="now"):
        write(tmp_path, started("b", resumes=["a"]), *attempt(instance(2))[:1])
        whole = Snapshot.take(DiskState(tmp_path))
        assert [one.entry.run for one in whole.logs["runs"]] == ["a"]
        waiting = whole.without_runs_under_way()
        assert (names(waiting), waiting.missing) == ([], ())
    assert names(Snapshot.take(DiskState(tmp_path)).without_runs_under_way()) == ["a", "b"]


def test_a_run_that_is_missing_is_so_also_while_others_are_under_way(tmp_path: Path) -> None:
    write(tmp_path, started("a"), *attempt(instance(1)), END)
    (tmp_path / "runs" / "a.jsonl").unlink()
    with hold_locks(tmp_path, [STORE], holder=Holder("r", "me", "h", 7), since="now"):
        write(tmp_path, started("b"), *attempt(instance(2))[:1])
        assert Snapshot.take(DiskState(tmp_path)).without_runs_under_way().missing == ("a",)


def test_looking_at_a_lock_takes_it_from_nobody(tmp_path: Path) -> None:
    assert not DiskState(tmp_path).is_held(STORE)
    assert not (tmp_path / "locks").exists()
    for _ in range(3):
        with hold_locks(tmp_path, [STORE], holder=Holder("r", "me", "h", 7), since="now"):
            assert DiskState(tmp_path).is_held(STORE)
