"""The runs of a plan in shards share a store: with each other, and with nobody else."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Event, Thread

import pytest

from reconciler.errors import JournalError, LockHeld
from reconciler.journal.places.bucket import BucketState
from reconciler.journal.places.disk import DiskState
from reconciler.journal.places.epoch import Epoch, end_of, folder_of, name_of
from reconciler.journal.places.members import Members
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import Fenced, RunEnded, RunStarted
from reconciler.journal.state import RUNS, State, Wanted
from reconciler.journal.writer import RunJournal
from reconciler.model.address import StoreAddress
from reconciler.model.lock import Holder
from reconciler.model.outcome import RunState
from reconciler.objects.disk import Disk

STORE = StoreAddress("p", "l", "d", "s")
OTHER = StoreAddress("p", "l", "d", "t")
LEASE = 0.6
NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


def holder(run: str) -> Holder:
    return Holder(run, "ada", "host", 1)


def want(
    run: str,
    *,
    manifest: str | None = "m",
    claim: str | None = None,
    stores: frozenset[StoreAddress] = frozenset({STORE}),
    on_wait: Callable[[str], None] = lambda _: None,
) -> Wanted:
    return Wanted(
        stores, holder(run), "noon", LEASE, lambda: None, on_wait, Event(), manifest, claim
    )


def first(run: str, plan_id: str) -> RunStarted:
    return RunStarted(
        run=run, time=NOW, tool_version="0.1.0", endpoint="https://h", stores=(STORE,),
        plan_id=plan_id, digest="sha256:d", planned=1,
    )  # fmt: skip


def ended() -> RunEnded:
    return RunEnded(NOW, RunState.COMPLETED, {}, 0)


@pytest.fixture
def new_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], BucketState]:
    """Another machine with the same bucket."""
    monkeypatch.setattr("reconciler.journal.places.bucket.REQUEST_TIMEOUT", 0.1)
    return lambda: BucketState(Disk(tmp_path), lambda: datetime.now(UTC))


@pytest.fixture(params=["folder", "bucket"])
def new_state(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], State]:
    """Another process with the same state."""
    if request.param == "folder":
        return lambda: DiskState(tmp_path)
    opened: Callable[[], State] = request.getfixturevalue("new_bucket")
    return opened


def refused(state: State, wanted: Wanted, words: str = "another run works on") -> None:
    with pytest.raises(LockHeld, match=words), state.hold(wanted):
        raise AssertionError


def test_tasks_of_one_plan_share_a_store_and_nobody_else_gets_it(
    new_state: Callable[[], State],
) -> None:
    """Every run has a name of its own: what stands under it already would end its beats."""
    first_task, second_task = ExitStack(), ExitStack()
    first_task.enter_context(new_state().hold(want("one")))
    lease = second_task.enter_context(new_state().hold(want("two")))
    assert lease.is_good
    assert new_state().is_held(STORE)
    refused(new_state(), want("foreign", manifest=None))
    refused(new_state(), want("other-plan", manifest="n"))
    first_task.close()
    refused(new_state(), want("later-foreign", manifest=None))
    with new_state().hold(want("third")):
        second_task.close()
        refused(new_state(), want("last-foreign", manifest=None))
    assert not new_state().is_held(STORE)
    began = time.monotonic()
    with new_state().hold(want("next", manifest=None)):
        refused(new_state(), want("fourth"))
    with new_state().hold(want("next-plan", manifest="n")):
        refused(new_state(), want("fifth"))
    assert time.monotonic() - began < 20 * LEASE


def test_a_shard_is_one_runs_alone(new_state: Callable[[], State]) -> None:
    with (
        new_state().hold(want("task")),
        new_state().hold(want("one", claim="m-00001")),
        new_state().hold(want("two", claim="m-00002")),
    ):
        refused(new_state(), want("double", claim="m-00001"))
        held = {lock.holder.run for lock in new_state().held_locks() if lock.holder}
        assert {"one", "two"} <= held
    with new_state().hold(want("again", claim="m-00001")):
        pass


def test_of_doubles_that_begin_at_once_exactly_one_goes_on(
    new_state: Callable[[], State],
) -> None:
    went: list[str] = []
    barrier = Barrier(4)
    ends = Event()

    def begin(run: str) -> None:
        barrier.wait()
        try:
            with new_state().hold(want(run, claim="m-00001")):
                went.append(run)
                ends.wait(60)
        except LockHeld:
            went.append("refused")
        if went.count("refused") == 3:
            ends.set()

    threads = [Thread(target=begin, args=(f"run-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert went.count("refused") == 3


def test_a_run_that_is_at_work_is_not_over_for_the_others(new_state: Callable[[], State]) -> None:
    """Else they would add its record to the log, as far as it is by then."""
    state = new_state()
    with state.hold(want("one", claim="m-00001")) as lease:
        journal = RunJournal.create(state, first("one", "m-00001"), lease)
        other = new_state()
        with other.hold(want("two", claim="m-00002")) as theirs:
            assert not theirs.came_after("one")
            RunJournal.create(other, first("two", "m-00002"), theirs).close()
        journal.commit(ended())
        journal.close()
    with other.hold(want("three", claim="m-00002")) as theirs:
        assert theirs.came_after("one")


def die(state: BucketState, run: str, plan_id: str) -> tuple[ExitStack, RunJournal]:
    """Begin a shard, and give no more sign of life."""
    stack = ExitStack()
    lease = stack.enter_context(state.hold(want(run, claim=plan_id)))
    journal = RunJournal.create(state, first(run, plan_id), lease)
    lease.stop()
    return stack, journal


def is_fenced(state: BucketState, run: str) -> bool:
    file = state.run_file(RUNS, run)
    return file is not None and any(isinstance(one, Fenced) for one in RunRecords(file))


def test_a_shard_of_which_the_run_is_dead_is_taken_over_and_no_other_one_is_fenced(
    new_bucket: Callable[[], BucketState],
) -> None:
    stack, dead = die(new_bucket(), "dead", "m-00001")
    alive = new_bucket()
    with alive.hold(want("alive", claim="m-00002")) as lease:
        journal = RunJournal.create(alive, first("alive", "m-00002"), lease)
        other = new_bucket()
        began = time.monotonic()
        with other.hold(want("next", claim="m-00001")) as theirs:
            assert time.monotonic() - began >= 2 * LEASE + 0.1
            assert theirs.came_after("dead")
            assert not theirs.came_after("alive")
        with pytest.raises(JournalError, match="another run has taken over"):
            dead.commit(ended())
        journal.commit(ended())
        journal.close()
    assert is_fenced(new_bucket(), "dead")
    assert not is_fenced(new_bucket(), "alive")
    stack.close()


def test_who_takes_the_store_from_dead_tasks_fences_all_of_them(
    new_bucket: Callable[[], BucketState],
) -> None:
    one, other = die(new_bucket(), "one", "m-00001"), die(new_bucket(), "two", "m-00002")
    began = time.monotonic()
    with new_bucket().hold(want("foreign", manifest=None)) as lease:
        assert time.monotonic() - began >= 2 * LEASE + 0.1
        assert lease.came_after("one")
        assert lease.came_after("two")
        for stack, journal in (one, other):
            with pytest.raises(JournalError, match="another run has taken over"):
                journal.commit(ended())
            stack.close()
        refused(new_bucket(), want("late", claim="m-00003"))
    with new_bucket().hold(want("late", claim="m-00003")):
        pass


def test_a_member_that_comes_when_the_last_one_leaves_is_in_or_begins_anew(
    new_bucket: Callable[[], BucketState], tmp_path: Path
) -> None:
    """Whoever closes an epoch knows all its members: nobody is in one that has ended."""
    barrier = Barrier(2)
    objects = Disk(tmp_path)

    def task(run: str) -> None:
        for turn in range(6):
            barrier.wait()
            with new_bucket().hold(want(f"{run}-{turn}")):
                latest = max(
                    name for name in objects.names(folder_of(STORE)) if name[-8:].isdigit()
                    and ".members/" not in name and ".left/" not in name
                )  # fmt: skip
                assert objects.read(f"{latest}.end") is None

    errors: list[BaseException] = []

    def checked(run: str) -> None:
        try:
            task(run)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)
            barrier.abort()

    threads = [Thread(target=checked, args=(run,)) for run in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert not new_bucket().is_held(STORE)


def test_nobody_joins_before_what_the_run_before_had_in_flight_has_landed(
    new_bucket: Callable[[], BucketState],
) -> None:
    stack = ExitStack()
    before = new_bucket()
    lease = stack.enter_context(before.hold(want("before", manifest=None)))
    RunJournal.create(before, first("before", "p"), lease)
    lease.stop()
    landed: list[float] = []
    waits = Event()

    def take() -> None:
        def on_wait(words: str) -> None:
            if "in flight" in words:
                waits.set()

        with new_bucket().hold(want("creator", on_wait=on_wait)):
            landed.append(time.monotonic())
            time.sleep(3 * LEASE)

    creator = Thread(target=take)
    creator.start()
    assert waits.wait(60)
    with new_bucket().hold(want("joiner")):
        assert landed
        assert time.monotonic() >= landed[0]
    creator.join()
    stack.close()


def test_an_epoch_that_was_closed_and_has_no_end_is_nobodys(
    new_bucket: Callable[[], BucketState], tmp_path: Path
) -> None:
    """The last task died between the two."""
    objects = Disk(tmp_path)
    with ExitStack() as stack:
        stack.enter_context(new_bucket().hold(want("task")))
        epoch = Epoch(1, STORE, "n", holder("task"), "noon", 600, "m")
        members = Members(objects, name_of(epoch))
        members.leave(1)
        assert members.close(holder("task"), if_all_left=True)
        assert objects.read(end_of(epoch)) is None
        with new_bucket().hold(want("next")):
            refused(new_bucket(), want("foreign", manifest=None))
