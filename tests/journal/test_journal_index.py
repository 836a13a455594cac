"""What the index says is what the record says, whatever is on record."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import verify
from reconciler.errors import BrokenJournal
from reconciler.journal.ending import add_run
from reconciler.journal.fold import Untried
from reconciler.journal.history import History, PlanHistory
from reconciler.journal.index import mentions_of, write_index
from reconciler.journal.index_objects import IndexObject, add_index, index_name, read_indexes
from reconciler.journal.latest import links_of_run
from reconciler.journal.log import RunLog, measured
from reconciler.journal.places.disk import DiskRunFile, DiskState
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import (
    AskedFor,
    Intent,
    Record,
    Restored,
    RestoreStarted,
    Result,
    RunEnded,
    RunStarted,
    Settled,
    Verified,
)
from reconciler.journal.state import RUNS, State
from reconciler.journal.writer import RunJournal
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import Reason, ReasonCode
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.plan import PartOf
from reconciler.model.problem import Source
from reconciler.model.reply import ReplyKind
from reconciler.model.verification import FindingKind

from .by_hand import lines_of, measure
from .places import Place, bucket_state
from .runs import END, apply_of, write

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENDPOINT = "https://example.org"
STORES = tuple(StoreAddress("p", "l", "d", name) for name in ("archive", "teaching"))
INSTANCES = tuple(
    InstanceAddress(study, f"{study}.1", f"{study}.1.{end}")
    for study in ("1.2", "1.3")
    for end in (1, 2)
)
SOURCE, REASON = Source("specs/a.yaml", 7), Reason(ReasonCode.QUALITY_CONTROL_INTENT)
INTERRUPTED = RunEnded(NOON, RunState.INTERRUPTED, {}, 130)

instances = st.sampled_from(INSTANCES)
places = st.integers(0, 1)
tried = st.builds(
    lambda store, instance, kind, outcome: [
        Intent(NOON, store, instance, 1),
        *([] if kind is None else [Result(NOON, store, instance, 1, kind, None)]),
        *([] if outcome is None else [Verified(NOON, store, instance, Presence.UNKNOWN, outcome)]),
    ],
    places,
    instances,
    st.sampled_from([None, *ReplyKind]),
    st.sampled_from([None, None, *(one for one in Outcome if not one.is_restored)]),
)
looked = st.builds(
    lambda store, instance, outcome: [Verified(NOON, store, instance, Presence.UNKNOWN, outcome)],
    places,
    instances,
    st.sampled_from([one for one in Outcome if not one.is_restored]),
)
settled = st.builds(
    lambda store, instance, run, outcome: [
        Settled(NOON, run, STORES[store], instance, Presence.UNKNOWN, outcome)
    ],
    places,
    instances,
    st.integers(0, 5).map("run-{}".format),
    st.sampled_from([Outcome.FAILED, Outcome.DELETED, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT]),
)
ends = st.sampled_from([END, INTERRUPTED, None])
applies = st.tuples(
    st.sampled_from(["plan-1", "plan-2"]),
    st.lists(st.one_of(tried, looked, settled), max_size=5).map(
        lambda some: [one for records in some for one in records]
    ),
    ends,
)
restores = st.tuples(
    st.integers(0, 5).map("run-{}".format),
    st.lists(
        st.builds(
            lambda store, instance, outcome: Restored(
                NOON, store, instance, "run-0", outcome, SOURCE, REASON
            ),
            places,
            instances,
            st.sampled_from([Outcome.IDENTICAL, Outcome.FAILED]),
        ),
        max_size=3,
    ),
    ends,
)


Runs = list[tuple[str, list[Record], RunEnded | None]]
histories = st.lists(st.one_of(applies, restores), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(histories)
def test_the_index_says_what_the_record_says(runs: Runs) -> None:
    hold_against_the_record(runs)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(histories)
def test_the_index_says_what_the_record_says_of_many(runs: Runs) -> None:
    hold_against_the_record(runs)


def hold_against_the_record(runs: Runs) -> None:
    """Ask for all that can be asked, with the index and without."""
    with tempfile.TemporaryDirectory() as name:
        folder, copy = Path(name) / "state", Path(name) / "copy"
        for number, run in enumerate(runs):
            write_run(DiskState(folder), number, *run)
        shutil.copytree(folder, copy)
        shutil.rmtree(copy / "runs" / "index", ignore_errors=True)
        by_index, by_record = (History.read(DiskState(one)) for one in (folder, copy))

        event(f"{len(by_index._chosen)} of {len(runs)} runs read")
        assert answers(by_index) == answers(by_record)
        kinds = {one.kind for one in verify(Snapshot.take(DiskState(folder))).findings}
        assert kinds <= {FindingKind.UNFINISHED, FindingKind.CLOCK}
        for path in sorted((folder / "runs" / "index").glob("*"))[::2]:
            path.unlink()
        assert answers(History.read(DiskState(folder))) == answers(by_record)


TRY_ONE: list[Record] = [Intent(NOON, 0, INSTANCES[0], 1)]
GONE, STILL_THERE = Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT, Outcome.FAILED


def settle_one(outcome: Outcome) -> list[Record]:
    """The run is that of the latest open attempt; see `possible`."""
    return [Settled(NOON, "", STORES[0], INSTANCES[0], Presence.UNKNOWN, outcome)]


def test_a_settlement_closes_no_other_attempt_of_its_own_plan(tmp_path: Path) -> None:
    """Two attempts on an instance are settled one by one, and a run may stop in between."""
    state = DiskState(tmp_path)
    write_run(state, 0, "plan-1", TRY_ONE, INTERRUPTED)
    write_run(state, 1, "plan-2", TRY_ONE, INTERRUPTED)
    write_run(state, 2, "plan-1", settle_one(GONE), INTERRUPTED)
    (left,) = History.read(state).open_attempts(STORES[0], ENDPOINT)
    assert left.run.name == "run-0"


def test_what_a_run_in_no_log_left_open_is_closed_by_one_that_has_an_index(tmp_path: Path) -> None:
    """As after a copy to another place, where no lock says that the run is over."""
    state, file = DiskState(tmp_path), tmp_path / "runs" / "run-0.jsonl"
    write_run(state, 0, "plan-1", TRY_ONE, None)
    write_run(state, 1, "plan-2", settle_one(STILL_THERE), END)
    log = RunLog(state.objects, RUNS)
    _, last = log
    record = RunRecords(DiskRunFile(file.with_stem("run-1"), 1 << 20), measures=True)
    read, mentions = mentions_of(record) or pytest.fail("no run")
    shutil.rmtree(tmp_path / "runs" / "log")
    size, root = last.entry.size, last.entry.root
    log.add("run-1", size, root, write_index(mentions.index(read, size, root)))

    history = History.read(state)
    assert not history.open_attempts(STORES[0], ENDPOINT)
    plan = history.of_plan("plan-1") or pytest.fail("no plan")
    assert plan.outcomes == {(STORES[0], INSTANCES[0]): STILL_THERE}


def test_a_run_that_two_added_makes_nobody_read_the_whole_log(tmp_path: Path) -> None:
    """Two runs on two stores may both find the one before on both, whose process died."""
    state = DiskState(tmp_path)
    write_run(state, 0, "plan-1", TRY_ONE, INTERRUPTED)
    add_run(state, state.run_file(RUNS, "run-0") or pytest.fail("no run"))
    first, _ = sorted((tmp_path / "runs" / "log").iterdir())
    first.write_text("no entry")
    assert [read.run.name for read in History.read(state).runs] == ["run-0"]


def write_run(
    state: DiskState, number: int, name: str, records: list[Record], end: RunEnded | None
) -> None:
    """An apply of the plan of this name, or a restore of the run."""
    common = {
        "run": f"run-{number}",
        "time": NOON + timedelta(minutes=number),
        "tool_version": "1.0",
        "endpoint": ENDPOINT,
        "stores": STORES,
        "planned": 3,
        **links_of_run(state),
    }
    records = list(possible(state, records))
    first: RunStarted | RestoreStarted
    if name.startswith("run-"):
        first = RestoreStarted(restores=(run_before(number, name),), **common)
        records = [AskedFor(NOON, INSTANCES[0].instance_uid), *records]
    else:
        earlier = History.read(state).of_plan(name)
        resumes = earlier.runs if earlier else ()
        first = RunStarted(plan_id=name, digest=f"sha256:{name}", resumes=resumes, **common)
    with RunJournal.create(state, first) as journal:
        for record in [*records, *([end] if end else [])]:
            journal.append(record)
        if end:
            journal.finish()


def run_before(number: int, name: str) -> str:
    """A run before this one, by the number in the name; one that is gone where there is none."""
    return f"run-{int(name[4:]) % number}" if number else "run-gone"


def possible(state: DiskState, records: list[Record]) -> Iterator[Record]:
    """The records; a run settles only what another one left open, and once."""
    history = History.read(state)
    left = {
        (store, attempt.instance): attempt.run.name
        for store in STORES
        for attempt in history.open_attempts(store, ENDPOINT)
    }
    for record in records:
        if not isinstance(record, Settled):
            yield record
        elif run := left.pop((record.store, record.instance), None):
            yield replace(record, run=run)


def answers(history: History) -> dict[str, object]:
    """What a history says to every question."""
    keys = [(store, one) for store in STORES for one in INSTANCES]
    plans = {plan: of_plan(history.of_plan(plan)) for plan in ("plan-1", "plan-2", "plan-3")}
    pasts = {store: history.of(store, ENDPOINT) for store in STORES}
    parents = {one[:length] for one in INSTANCES for length in (1, 2, 3)}
    return {
        "runs": [(read.run.name, read.run.place, read.ended, read.only) for read in history.runs],
        "words": dict(history.last_words(keys, ENDPOINT)),
        "one by one": [history.last_words([key], ENDPOINT) for key in keys],
        "gone": [(store, one) for store, one in keys if pasts[store].is_gone(one)],
        "known": {(store, one) for store in STORES for one in parents if pasts[store].knows(*one)},
        "open": [
            (attempt.run.name, attempt.instance, attempt.replies)
            for store in STORES
            for attempt in history.open_attempts(store, ENDPOINT)
        ],
        "plans": plans,
        "unfinished": [read.run.name for read in history.unfinished_applies(NOON)],
        "digests": [history.unfinished(f"sha256:{plan}") for plan in plans],
        "restores": [history.restores_of(f"run-{number}") for number in range(6)],
        "stores": history.stores,
    }


def of_plan(plan: PlanHistory | None) -> object:
    if plan is None:
        return None
    failed = {key: [one.run.name for one in some] for key, some in plan.failed.items()}
    return plan.runs, plan.ended, plan.outcomes, failed, plan.met_operation


@pytest.mark.parametrize("count", [7, 8, 9, 63, 64, 75])
def test_objects_of_the_index_become_one_as_they_grow(tmp_path: Path, count: int) -> None:
    objects = bucket_state(tmp_path / "bucket").objects
    stack: tuple[IndexObject, ...] = ()
    for number in range(count):
        stack = add_index(objects, stack, b"%d\n" % number)

    eights = [(8**power, count // 8**power % 8) for power in (2, 1, 0)]
    assert [one.runs for one in stack] == [size for size, many in eights for _ in range(many)]
    held = b"".join(objects.read(index_name(one.sha256)) or b"" for one in stack)
    assert held.split() == [b"%d" % number for number in range(count)]


@pytest.mark.parametrize("kind", ["disk", "bucket"])
def test_an_object_is_read_once_and_only_as_long_as_the_log_names_it(
    tmp_path: Path, kind: str
) -> None:
    place = Place(kind, tmp_path / "state")
    state = place.state
    for number in range(9):
        write_deletion(state, number)
        assert len(History.read(state).runs) == number + 1
    assert state.indexes.keys() == {one.sha256 for one in read_stack(place)}
    shutil.rmtree(place.folder / "runs" / "index")
    for record in (place.folder / "runs").glob("run-*"):
        record.unlink() if record.is_file() else shutil.rmtree(record)
    history = History.read(state)
    assert all(history.of(STORES[0], ENDPOINT).is_gone(deleted(number)) for number in range(9))
    assert not History.read(place.state).runs


@pytest.mark.parametrize("kind", ["disk", "bucket"])
def test_an_object_that_is_not_as_it_was_is_not_believed(tmp_path: Path, kind: str) -> None:
    """What it said is read in the runs themselves, and the check says so."""
    place = Place(kind, tmp_path / "state")
    for number in range(9):
        write_deletion(place.state, number)
    first = read_stack(place)[0]
    path = place.folder / index_name(first.sha256)
    for spoil in (lambda: path.write_bytes(path.read_bytes()[:-1] + b" "), path.unlink):
        spoil()
        history = History.read(place.state)
        assert len(history.runs) == 9
        assert all(history.of(STORES[0], ENDPOINT).is_gone(one) for one in map(deleted, range(9)))
        found = list(verify(Snapshot.take(place.state)).findings)
        assert [one.kind for one in found] == [FindingKind.BROKEN]
        assert found[0].place.endswith(first.sha256)
    for number in range(9, 16):
        write_deletion(place.state, number)
    assert [one.runs for one in read_stack(place)] == [8, 8]
    assert len(History.read(place.state).runs) == 16


def test_an_index_that_says_something_else_than_the_record_is_found(tmp_path: Path) -> None:
    """As somebody would write it who may write to the log."""
    state = DiskState(tmp_path)
    write_deletion(state, 0)
    log, file = RunLog(state.objects, RUNS), state.run_file(RUNS, "run-0")
    assert file is not None
    records = RunRecords(file, measures=True)
    read, mentions = mentions_of(records) or pytest.fail("no run")
    mentions.add(Untried(read.run, read.run.stores[0], INSTANCES[0]))
    index = write_index(mentions.index(read, *measured(records)))
    shutil.rmtree(tmp_path / "runs" / "log")
    log.add("run-0", *measured(records), index)

    (found,) = verify(Snapshot.take(state)).findings
    assert found.kind is FindingKind.BROKEN
    assert "index" in found.message


class Working:
    """The lock of a run beside which others are at work."""

    is_good = True

    def came_after(self, run: str) -> bool:
        return False


def deleted(number: int) -> InstanceAddress:
    return InstanceAddress("1.2", "1.2.3", f"1.2.3.{number}")


@pytest.mark.parametrize("kind", ["disk", "bucket"])
def test_a_shard_reads_no_other_shard_that_is_under_way(tmp_path: Path, kind: str) -> None:
    """Its own run is read, and one of another plan; the order is that of all runs."""
    place = Place(kind, tmp_path / "state")
    state = place.state
    runs = [PartOf("plan", 1), PartOf("plan", 2), PartOf("other", 2), None]
    for number, part in enumerate(runs):
        links = links_of_run(state)
        first = apply_of(
            f"run-{number}", plan_id=f"p{number}", stores=STORES, part_of=part, **links
        )
        with RunJournal.create(state, first, Working()) as journal:
            journal.append(Intent(NOON, 0, deleted(number), 1))

    def found(part: PartOf | None) -> list[tuple[str, int]]:
        attempts = History.read(state, part=part).open_attempts(STORES[0], ENDPOINT)
        return [(one.run.name, one.run.place) for one in attempts]

    everything = [(f"run-{number}", number) for number in range(4)]
    assert found(None) == everything
    assert found(PartOf("plan", 1)) == [everything[0], *everything[2:]]
    assert found(PartOf("plan", 3)) == everything[2:]


def write_deletion(state: State, number: int) -> None:
    """A run that deletes one instance."""
    first = apply_of(f"run-{number}", plan_id=f"p{number}", stores=STORES, **links_of_run(state))
    with RunJournal.create(state, first) as journal:
        journal.append(Intent(NOON, 0, deleted(number), 1))
        gone = Verified(NOON, 0, deleted(number), Presence.ABSENT, Outcome.DELETED)
        journal.append(gone)
        journal.append(END)
        journal.finish()


def read_stack(place: Place) -> tuple[IndexObject, ...]:
    latest = RunLog(place.state.objects, RUNS).latest()
    return latest.entry.indexes if latest else ()


@pytest.mark.parametrize("lost", range(8))
def test_what_cannot_be_made_one_stays_as_it_is(tmp_path: Path, lost: int) -> None:
    """One object that is lost takes no other with it, and those after it become one again."""
    bucket = Place("bucket", tmp_path / "bucket")
    objects, stack = bucket.state.objects, ()
    for number in range(7):
        stack = add_index(objects, stack, b"%d\n" % number)
    (bucket.folder / index_name(stack[min(lost, 6)].sha256)).unlink()
    for number in range(7, 200):
        stack = add_index(objects, stack, b"%d\n" % number)
    held = [objects.read(index_name(one.sha256)) for one in stack]
    assert held.count(None) == 1
    assert b"".join(filter(None, held)).split() == [
        b"%d" % number for number in range(200) if number != min(lost, 6)
    ]
    assert len(stack) <= 7 + 3 * 7


@pytest.mark.parametrize("change", [{"size": 0}, {"root": "0"}, {"run": "run-8"}])
def test_an_index_of_another_record_than_that_in_the_log_is_found(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    """As somebody would write it who may write to the log; ``run-8`` is in no log."""
    state = DiskState(tmp_path)
    write_deletion(state, 0)
    ((entry, _),) = RunLog(state.objects, RUNS)
    (index,) = read_indexes(state.objects, entry.indexes)
    started = replace(index.started, run=change.get("run", "run-0"))
    forged = replace(index, started=started, line=replace(index.line, **change))
    shutil.rmtree(tmp_path / "runs" / "log")
    log = RunLog(state.objects, RUNS)
    log.add("run-0", entry.size, entry.root, write_index(forged))

    (found,) = verify(Snapshot.take(state)).findings
    assert found.kind is FindingKind.BROKEN
    assert "its index does not say" in found.message


def test_an_object_that_holds_other_runs_than_it_should_is_not_believed(tmp_path: Path) -> None:
    state = DiskState(tmp_path)
    write_deletion(state, 0)
    change_entry(tmp_path, runs=2)
    assert History.read(state).of(STORES[0], ENDPOINT).is_gone(deleted(0))
    (found,) = verify(Snapshot.take(state)).findings
    assert "the number of its runs is 1, and not 2" in found.message


def test_what_is_no_hash_names_no_object(tmp_path: Path) -> None:
    """A run would find it out at its end, after all its deletions."""
    state = DiskState(tmp_path)
    write_deletion(state, 0)
    change_entry(tmp_path, sha256="../../other")
    with pytest.raises(BrokenJournal, match="not a SHA-256"):
        History.read(state)


def change_entry(folder: Path, **change: object) -> None:
    """Let the only entry of the log say something else of its only object."""
    (path,) = (folder / "runs" / "log").iterdir()
    entry = json.loads(path.read_bytes())
    entry["indexes"][0] |= change
    path.write_text(json.dumps(entry))


def test_the_object_is_as_the_specification_says(tmp_path: Path) -> None:
    """Made again by hand, by docs/journal.md."""
    store, other = STORES[0], STORES[1]
    one, two, three, four = INSTANCES
    first = apply_of("run-1", stores=(store, other))
    records = [
        Settled(NOON, "run-0", other, one, Presence.ABSENT, Outcome.DELETED),
        *(Intent(NOON, 0, instance, 1) for instance in (one, two, three)),
        Verified(NOON, 0, one, Presence.ABSENT, Outcome.DELETED),
        Verified(NOON, 0, two, Presence.PRESENT, Outcome.FAILED),
        Verified(NOON, 1, four, Presence.ABSENT, Outcome.ALREADY_ABSENT),
    ]
    write(tmp_path, first, *records, END)
    (path,) = (tmp_path / "runs" / "index").iterdir()
    lines = lines_of(tmp_path / "runs" / "run-1.jsonl")
    secret = json.loads(lines[0])["secret"].encode()
    known = [lines[0].replace(secret, b"0" * 64), lines[-1]]
    assert path.read_bytes().splitlines(keepends=True)[:2] == known

    def keys(*named: tuple[StoreAddress, tuple[str, ...]]) -> str:
        texts = ("\n".join(("healthcare.googleapis.com", str(at), *uids)) for at, uids in named)
        return base64.b64encode(
            b"".join(sorted(hashlib.sha256(text.encode()).digest()[:8] for text in texts))
        ).decode()

    parents = {(store, one[:1]), (store, one[:2]), (store, three[:1]), (store, three[:2])}
    parents |= {(other, one[:1]), (other, one[:2]), (other, four[:1]), (other, four[:2])}
    size, root = measure(tmp_path / "runs" / "run-1.jsonl")
    assert json.loads(path.read_bytes().splitlines()[2]) == {
        "type": "index",
        "run": "run-1",
        "size": size,
        "root": root,
        "gone": keys((store, one), (other, one), (other, four)),
        "restored": "",
        "other": keys((store, two), (store, three)),
        "open": keys((store, three)),
        "parents": keys(*parents),
        "settled": {"run-0": keys((other, one))},
        "met_operation": False,
        "has_begun": True,
        "only": [],
    }
