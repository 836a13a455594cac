"""A record is read as it stood; what is under way is not delivered yet."""

from __future__ import annotations

from pathlib import Path

from reconciler.audit.snapshot import Snapshot
from reconciler.journal.locks import hold_lock, is_held
from reconciler.journal.records import RunEnded
from reconciler.model.lock import Holder
from reconciler.model.outcome import Outcome, RunState

from .records import NOON, STORE, attempt, instance, started, write, write_restore

END = RunEnded(NOON, RunState.COMPLETED, dict.fromkeys(Outcome, 0), 0)


def names(snapshot: Snapshot) -> list[str]:
    return [path.stem for path in snapshot.files]


def test_an_apply_that_works_on_a_store_now_waits_and_the_others_do_not(tmp_path: Path) -> None:
    write(tmp_path, started("a"), *attempt(instance(1)), END)
    write_restore(tmp_path, "b", "a", instance(1), NOON)
    write(tmp_path, started("c"), *attempt(instance(2)), *attempt(instance(3))[:1])

    with hold_lock(tmp_path, STORE, holder=Holder("r", "me", "h", 7), since="now"):
        assert is_held(tmp_path, STORE)
        assert names(Snapshot.take(tmp_path).without_runs_under_way()) == ["a", "b"]
    assert not is_held(tmp_path, STORE)
    assert names(Snapshot.take(tmp_path).without_runs_under_way()) == ["a", "b", "c"]


def test_looking_at_a_lock_takes_it_from_nobody(tmp_path: Path) -> None:
    assert not is_held(tmp_path, STORE)
    assert not (tmp_path / "locks").exists()
    for _ in range(3):
        with hold_lock(tmp_path, STORE, holder=Holder("r", "me", "h", 7), since="now"):
            assert is_held(tmp_path, STORE)
