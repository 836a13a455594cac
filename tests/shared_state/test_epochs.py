"""Locks in a bucket: one holder at a time, and a holder that was taken over can do nothing more."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Event, Thread

import pytest

from reconciler.errors import JournalError, LockHeld
from reconciler.journal.log import RunLog
from reconciler.journal.places.bucket import BucketState
from reconciler.journal.places.epoch import beat_name
from reconciler.journal.places.epochs import Epochs
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import Fenced, RunEnded, RunStarted
from reconciler.journal.state import RUNS, Wanted
from reconciler.journal.writer import RunJournal
from reconciler.model.address import StoreAddress
from reconciler.model.lock import Holder
from reconciler.model.outcome import RunState
from reconciler.objects.disk import Disk

from ..waiting import wait_until

STORE = StoreAddress("p", "l", "d", "s")
OTHER = StoreAddress("p", "l", "d", "t")
LEASE = 0.3
NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
FIRST = RunStarted(
    run="one", time=NOW, tool_version="0.1.0", endpoint="https://h", stores=(STORE,),
    plan_id="p", digest="sha256:d", planned=1,
)  # fmt: skip


def silent(_: str) -> None:
    """Nobody reads it."""


def nothing() -> None:
    """Nobody waits for that."""


def want(
    stores: Iterable[StoreAddress],
    by: Holder,
    since: str,
    *,
    on_lost: Callable[[], None] = nothing,
    on_wait: Callable[[str], None] = silent,
    stop: Event | None = None,
) -> Wanted:
    return Wanted(frozenset(stores), by, since, LEASE, on_lost, on_wait, stop or Event())


def holder(run: str) -> Holder:
    return Holder(run, "ada", "host", 1)


@pytest.fixture
def objects(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


@pytest.fixture
def new_state(objects: Disk, monkeypatch: pytest.MonkeyPatch) -> Callable[[], BucketState]:
    """Another machine with the same bucket."""
    monkeypatch.setattr("reconciler.journal.places.bucket.REQUEST_TIMEOUT", 0.1)
    return lambda: BucketState(objects, lambda: datetime.now(UTC))


def test_a_store_that_is_held_is_held_for_all_others(new_state: Callable[[], BucketState]) -> None:
    one, other = new_state(), new_state()
    with one.hold(want([STORE, OTHER], holder("one"), "noon")):
        assert other.is_held(STORE)
        assert [lock.holder for lock in other.held_locks()] == [holder("one")] * 2
        with (
            pytest.raises(LockHeld, match=r"ada on host, process 1, run one, since noon"),
            other.hold(want([STORE], holder("two"), "one")),
        ):
            raise AssertionError
    assert not other.is_held(STORE)
    with other.hold(want([OTHER, STORE], holder("two"), "one")) as lease:
        assert lease.is_good


def test_of_several_stores_all_are_held_or_none(new_state: Callable[[], BucketState]) -> None:
    one, other, third = new_state(), new_state(), new_state()
    with one.hold(want([OTHER], holder("one"), "noon")):
        with (
            pytest.raises(LockHeld),
            other.hold(want([STORE, OTHER], holder("two"), "one")),
        ):
            raise AssertionError
        with third.hold(want([STORE], holder("three"), "two")):
            pass


def test_one_of_many_that_begin_at_once_gets_the_store(
    new_state: Callable[[], BucketState],
) -> None:
    held: list[str] = []
    refused: list[str] = []
    barrier = Barrier(6)

    def begin(run: str) -> None:
        state = new_state()
        barrier.wait()
        try:
            with state.hold(want([STORE], holder(run), "noon")):
                held.append(run)
                wait_until(lambda: len(held) + len(refused) == 6)
        except LockHeld:
            refused.append(run)

    threads = [Thread(target=begin, args=(f"run-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(refused)) == (1, 5)


def die(state: BucketState, first: RunStarted = FIRST) -> tuple[ExitStack, RunJournal]:
    """Hold the store, begin a run, and give no more sign of life."""
    stack = ExitStack()
    lease = stack.enter_context(state.hold(want(first.stores, holder(first.run), "noon")))
    journal = RunJournal.create(state, first, lease)
    lease.stop()  # type: ignore[attr-defined]  # as if the machine stood still
    return stack, journal


def test_who_gives_no_sign_of_life_is_taken_over_and_can_do_nothing_more(
    new_state: Callable[[], BucketState],
) -> None:
    stack, journal = die(new_state())
    assert journal.is_leased
    state = new_state()
    began = time.monotonic()
    with state.hold(want([STORE], holder("two"), "one")):
        assert time.monotonic() - began >= 2 * LEASE + 0.1
        assert not journal.is_leased
        with pytest.raises(JournalError, match="another run has taken over"):
            journal.commit(RunEnded(NOW, RunState.COMPLETED, {}, 0))
        with pytest.raises(LockHeld, match="run two"):
            stack.enter_context(new_state().hold(want([STORE], holder("three"), "two")))
    file = state.run_file(RUNS, "one")
    assert file is not None
    records = list(RunRecords(file))
    assert records[0] == FIRST
    assert isinstance(records[-1], Fenced)
    assert records[-1].by == holder("two")


def test_a_fence_ends_the_lease_of_who_is_alive(new_state: Callable[[], BucketState]) -> None:
    """It gave no sign while somebody watched, and beats again after that."""
    one, other = new_state(), new_state()
    with one.hold(want([STORE], holder("one"), "noon")) as lease:
        journal = RunJournal.create(one, FIRST, lease)
        assert other.unlock(STORE, holder("two"), "one") is not None
        deadline = time.monotonic() + 5
        while lease.is_good:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with pytest.raises(JournalError, match="another run has taken over"):
            journal.commit(RunEnded(NOW, RunState.COMPLETED, {}, 0))
    with other.hold(want([STORE], holder("three"), "two")):
        pass


def test_a_lease_ends_by_itself_where_the_bucket_takes_no_beats(
    objects: Disk, new_state: Callable[[], BucketState], monkeypatch: pytest.MonkeyPatch
) -> None:
    create = objects.create

    def fails(name: str, data: bytes) -> bool:
        if name.startswith("beats/"):
            raise JournalError("the bucket is away")
        return create(name, data)

    monkeypatch.setattr(objects, "create", fails)
    lost = Event()
    with new_state().hold(want([STORE], holder("one"), "noon", on_lost=lost.set)) as lease:
        assert lease.is_good
        assert lost.wait(2 * LEASE)
        assert not lease.is_good
        monkeypatch.undo()


def test_a_run_that_is_over_is_not_fenced_and_nobody_waits(
    new_state: Callable[[], BucketState], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process died between the end of its record and that of its epoch."""
    monkeypatch.setattr("reconciler.journal.places.bucket.REQUEST_TIMEOUT", 60)
    stack, journal = die(new_state())
    journal.commit(RunEnded(NOW, RunState.COMPLETED, {}, 0))
    state = new_state()
    with state.hold(want([STORE], holder("two"), "one")):
        file = state.run_file(RUNS, "one")
        assert file is not None
        assert isinstance(list(RunRecords(file))[-1], RunEnded)
    stack.close()


def test_a_run_of_two_stores_is_fenced_once(new_state: Callable[[], BucketState]) -> None:
    stack, _ = die(new_state(), replace(FIRST, stores=(STORE, OTHER)))
    state = new_state()
    with state.hold(want([STORE, OTHER], holder("two"), "one")):
        file = state.run_file(RUNS, "one")
        assert file is not None
        assert sum(isinstance(one, Fenced) for one in RunRecords(file)) == 1
    stack.close()


def test_a_run_that_never_began_never_can(new_state: Callable[[], BucketState]) -> None:
    one = new_state()
    stack = ExitStack()
    lease = stack.enter_context(one.hold(want([STORE], holder("one"), "n")))
    lease.stop()  # type: ignore[attr-defined]  # as if the machine stood still
    with (
        new_state().hold(want([STORE], holder("two"), "one")),
        pytest.raises(JournalError, match="another run has taken over"),
    ):
        RunJournal.create(one, FIRST, lease)
    records = RunRecords(next(new_state().run_files(RUNS)))
    assert list(records) == []
    assert records.is_void


@pytest.mark.parametrize("how", ["hold", "unlock"])
def test_a_run_is_fenced_although_the_one_that_took_it_over_failed_before_it_could(
    new_state: Callable[[], BucketState], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Tried: with only the run of the latest epoch fenced, the first one goes on."""
    stack, journal = die(new_state())
    second = new_state()

    def fails(*_: object) -> bool:
        raise JournalError("the bucket is away")

    def take() -> None:
        if how == "unlock":
            second.unlock(STORE, holder("two"), "one")
            return
        with second.hold(want([STORE], holder("two"), "one")):
            pass

    with monkeypatch.context() as patched:
        patched.setattr(second._epochs, "_fence", fails)
        with pytest.raises(JournalError, match="is away"):
            take()
    began = time.monotonic()
    with new_state().hold(want([STORE], holder("three"), "two")):
        assert time.monotonic() - began >= 2 * LEASE + 0.1
        with pytest.raises(JournalError, match="another run has taken over"):
            journal.commit(RunEnded(NOW, RunState.COMPLETED, {}, 0))
    stack.close()


def test_what_was_in_flight_is_waited_for_although_the_wait_before_was_interrupted(
    new_state: Callable[[], BucketState],
) -> None:
    """Tried: with an end for its epoch, or with a fenced run for one that is over, nobody waits."""
    stack, _ = die(new_state())
    stop = Event()
    waits: list[str] = []

    def on_wait(words: str) -> None:
        waits.append(words)
        if "in flight" in words:
            stop.set()

    second = new_state().hold(want([STORE], holder("two"), "one", on_wait=on_wait, stop=stop))
    with pytest.raises(LockHeld, match="interrupted"):
        second.__enter__()
    began = time.monotonic()
    with new_state().hold(want([STORE], holder("three"), "two")):
        assert time.monotonic() - began >= 2 * LEASE + 0.1
    with new_state().hold(want([STORE], holder("four"), "three")):
        pass
    assert [words.partition(" ")[0] for words in waits] == ["the", "waiting"]
    stack.close()


def test_what_somebody_else_put_among_the_stores_is_no_lock(
    objects: Disk, new_state: Callable[[], BucketState], tmp_path: Path
) -> None:
    for name in ("stores/notes", "stores/x/epochs/00000001", f"stores/{'0' * 33}/a"):
        objects.create(name, b"?")
    (tmp_path / "stores" / "~").mkdir()
    (tmp_path / "stores" / "~" / "#").write_bytes(b"?")
    assert new_state().held_locks() == ()
    with new_state().hold(want([STORE], holder("one"), "noon")):
        assert [lock.holder for lock in new_state().held_locks()] == [holder("one")]


def test_a_beat_that_was_created_and_not_answered_is_ones_own(
    objects: Disk, new_state: Callable[[], BucketState], monkeypatch: pytest.MonkeyPatch
) -> None:
    create = objects.create
    failed: list[str] = []

    def loses(name: str, data: bytes) -> bool:
        is_mine = create(name, data)
        if name.startswith("beats/") and name not in failed:
            failed.append(name)
            raise JournalError("no answer came")
        return is_mine

    monkeypatch.setattr(objects, "create", loses)
    with new_state().hold(want([STORE], holder("one"), "noon")) as lease:
        deadline = time.monotonic() + 5
        while objects.read(beat_name("one", 2)) is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert lease.is_good


def test_a_store_that_overwrites_is_refused_before_anything_is_held(
    objects: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, bytes] = {}

    def overwrites(name: str, data: bytes) -> bool:
        kept[name] = data
        return True

    monkeypatch.setattr(objects, "create", overwrites)
    monkeypatch.setattr(objects, "read", kept.get)
    epochs = Epochs(objects, lambda _, __: False, request_timeout=0)
    with (
        pytest.raises(JournalError, match="ignores preconditions"),
        epochs.hold(want([STORE], holder("one"), "noon")),
    ):
        raise AssertionError
    assert all(name.startswith("check/") for name in kept)


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 2},
        {"number": -1},
        {"lease": 10**15},
        {"lease": 0},
        {"dicomStoresId": "other"},
        {"holder": {"run": "../../x", "user": "u", "host": "h", "process": 1}},
        {"holder": {"run": "", "user": "u", "host": "h", "process": 1}},
    ],
)
def test_an_epoch_that_nobody_can_have_created_is_refused(
    objects: Disk, new_state: Callable[[], BucketState], changes: dict[str, object]
) -> None:
    with new_state().hold(want([STORE], holder("one"), "noon")):
        (name,) = objects.names("stores")
    written = json.loads(objects.read(name) or b"")
    forged = Disk(objects._folder.parent / f"{objects._folder.name}-forged")
    forged._folder.mkdir()
    forged.create(name, json.dumps(written | changes).encode())
    state = BucketState(forged, lambda: NOW)
    with (
        pytest.raises(JournalError, match="epoch"),
        state.hold(want([STORE], holder("two"), "one")),
    ):
        raise AssertionError


def test_many_dead_holders_are_watched_together(new_state: Callable[[], BucketState]) -> None:
    stacks = []
    for number in range(20):
        store = StoreAddress("p", "l", "d", f"s{number}")
        stacks.append(die(new_state(), replace(FIRST, run=f"r{number}", stores=(store,)))[0])
    began = time.monotonic()
    assert new_state().held_locks() == ()
    assert time.monotonic() - began < 10 * LEASE
    for stack in stacks:
        stack.close()


def test_who_was_taken_over_before_it_began_adds_no_later_run_to_the_log(
    new_state: Callable[[], BucketState],
) -> None:
    """It wakes up as if it still held the store, and finds a run that is at work."""
    stale, state = new_state(), new_state()
    stack = ExitStack()
    lease = stack.enter_context(stale.hold(want([STORE], holder("one"), "noon")))
    lease.stop()  # type: ignore[attr-defined]  # as if the machine stood still
    with state.hold(want([STORE], holder("two"), "one")) as held:
        journal = RunJournal.create(state, replace(FIRST, run="two"), held)
        with pytest.raises(JournalError, match="another run has taken over"):
            RunJournal.create(stale, FIRST, lease)
        assert list(RunLog(state.objects, RUNS)) == []
        journal.commit(RunEnded(NOW, RunState.COMPLETED, {}, 0))
        journal.finish()
    assert [one.entry.run for one in RunLog(state.objects, RUNS)] == ["two"]
    assert held.came_after("one")
    assert not lease.came_after("two")
    stack.close()
