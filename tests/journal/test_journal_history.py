"""What the runs of a state folder say together."""

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.errors import JournalError
from reconciler.journal.history import History
from reconciler.journal.records import Intent, Result, RunEnded, RunStarted, Settled, Verified
from reconciler.journal.summary import OpenAttempt
from reconciler.journal.writer import RunJournal
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.reply import ReplyKind

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
OTHER = StoreAddress("imaging-prod", "europe-west4", "radiology", "teaching")
A, B, C = (InstanceAddress("1.2", "1.2.3", f"1.2.3.{end}") for end in (1, 2, 3))


def intent(instance, attempt=1, store=0):
    return Intent(NOON, store, instance, attempt)


def result(instance, kind, attempt=1):
    return Result(NOON, 0, instance, attempt, kind, None)


def verified(instance, outcome, store=0):
    return Verified(NOON, store, instance, Presence.UNKNOWN, outcome)


def settled(run, instance, outcome, store=STORE):
    return Settled(NOON, run, store, instance, Presence.UNKNOWN, outcome)


@pytest.fixture
def record(tmp_path):
    """Record a run of some plan; a minute passes from run to run unless told otherwise."""
    minutes = iter(range(1_000))

    def record(run, *records, plan="plan-1", minute=None):
        history = History.read(tmp_path)
        earlier = history.of_plan(plan)
        time = NOON + timedelta(minutes=next(minutes) if minute is None else minute)
        first = RunStarted(
            *(run, time, "1.0", plan, "sha256:0", "https://example.org", (STORE, OTHER), 3),
            resumes=earlier.runs if earlier else (),
            previous_head=history.previous_head,
        )
        with RunJournal.create(tmp_path, first) as journal:
            for item in records:
                journal.append(item)
        return journal.head

    return record


def test_a_folder_that_does_not_exist_has_no_history(tmp_path):
    history = History.read(tmp_path / "none")

    assert history.runs == ()
    assert history.previous_head is None
    assert history.deleted(STORE) == frozenset()
    assert history.open_attempts(STORE) == ()
    assert history.of_plan("plan-1") is None


def test_the_runs_are_chained_by_the_head_of_the_latest(tmp_path, record):
    record("b")
    head = record("a")

    assert History.read(tmp_path).previous_head == head
    assert [run.run for run in History.read(tmp_path).runs] == ["b", "a"]


def test_a_clock_that_stepped_back_does_not_change_the_order_of_runs(tmp_path, record):
    record("first", verified(A, Outcome.DELETED), minute=60)
    record("second", verified(A, Outcome.FAILED), minute=0)

    assert [run.run for run in History.read(tmp_path).runs] == ["first", "second"]
    assert History.read(tmp_path).deleted(STORE) == frozenset()


def test_deleted_is_what_the_last_record_says_is_gone(tmp_path, record):
    record("r1", verified(A, Outcome.DELETED), verified(B, Outcome.DELETED))
    record("r2", verified(B, Outcome.FAILED), verified(C, Outcome.ALREADY_ABSENT), plan="plan-2")
    record("r3", verified(A, Outcome.DELETED, store=1), plan="plan-3")
    history = History.read(tmp_path)

    assert history.deleted(STORE) == {A, C}
    assert history.deleted(OTHER) == {A}


def test_removed_by_names_the_run_that_sent_the_delete(tmp_path, record):
    record("r1", verified(A, Outcome.DELETED), intent(B))
    record("r2", settled("r1", B, Outcome.DELETED), verified(A, Outcome.ALREADY_ABSENT))
    record("r3", verified(C, Outcome.ALREADY_ABSENT), plan="plan-2")
    assert History.read(tmp_path).removed_by(STORE) == {A: "r1", B: "r1", C: "r3"}

    record("r4", verified(A, Outcome.DELETED), plan="plan-3")
    assert History.read(tmp_path).removed_by(STORE)[A] == "r4"


def test_an_intent_stays_open_until_its_run_verifies_it(tmp_path, record):
    record(
        "r1",
        intent(A),
        result(A, ReplyKind.UNCLEAR),
        intent(B),
        intent(A, 2),
        intent(C),
        result(C, ReplyKind.ACCEPTED),
        verified(C, Outcome.DELETED),
    )

    assert History.read(tmp_path).open_attempts(STORE) == (
        OpenAttempt("r1", STORE, A, (ReplyKind.UNCLEAR, None)),
        OpenAttempt("r1", STORE, B, (None,)),
    )
    assert History.read(tmp_path).open_attempts(OTHER) == ()


def test_what_another_run_verifies_stays_open_until_it_is_settled(tmp_path, record):
    record("r1", intent(A))
    record("r2", intent(A), verified(A, Outcome.DELETED), plan="plan-2")
    assert [a.run for a in History.read(tmp_path).open_attempts(STORE)] == ["r1"]

    record("r3", settled("r1", A, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT, store=OTHER))
    assert [a.run for a in History.read(tmp_path).open_attempts(STORE)] == ["r1"]

    record("r4", settled("r1", A, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT))
    assert History.read(tmp_path).open_attempts(STORE) == ()


def test_the_history_of_a_plan_adds_up_over_its_runs(tmp_path, record):
    ended = RunEnded(NOON, RunState.INTERRUPTED, {}, 130)
    record("r1", verified(A, Outcome.FAILED), verified(B, Outcome.DELETED), intent(C), ended)
    record("x1", verified(C, Outcome.FAILED), plan="plan-x")
    record("r2", verified(A, Outcome.DELETED))
    plan = History.read(tmp_path).of_plan("plan-1")

    assert plan.runs == ("r1", "r2")
    assert plan.ended.state is RunState.INTERRUPTED
    assert plan.outcomes == {(STORE, A): Outcome.DELETED, (STORE, B): Outcome.DELETED}


def test_what_the_same_plan_proved_later_is_open_no_more(tmp_path, record):
    record("r1", intent(A))
    record("r2", intent(A), verified(A, Outcome.DELETED))

    assert History.read(tmp_path).open_attempts(STORE) == ()


def test_a_late_settlement_says_nothing_against_a_later_removal(tmp_path, record):
    """What was removed, came back, and only then was looked for by an older attempt."""
    record("r1", intent(A))
    record("r2", intent(A), verified(A, Outcome.DELETED), plan="plan-2")
    record("r3", settled("r1", A, Outcome.FAILED), plan="plan-3")

    assert History.read(tmp_path).removed_by(STORE) == {A: "r2"}
    record("r4", intent(A), verified(A, Outcome.FAILED), plan="plan-4")
    assert History.read(tmp_path).removed_by(STORE) == {}


def test_what_another_plan_settles_counts_for_the_plan_that_left_it_open(tmp_path, record):
    record("r1", intent(A))
    record("x1", settled("r1", A, Outcome.DELETED), plan="plan-x")
    history = History.read(tmp_path)

    assert history.of_plan("plan-1").outcomes == {(STORE, A): Outcome.DELETED}
    assert history.of_plan("plan-x").outcomes == {}


def test_a_run_that_never_started_is_no_run(tmp_path, record):
    head = record("r1")
    (tmp_path / "runs" / "empty.jsonl").touch()
    (tmp_path / "runs" / "torn.jsonl").write_bytes(b'{"seq":0,"prev":nul')

    assert [run.run for run in History.read(tmp_path).runs] == ["r1"]
    assert History.read(tmp_path).previous_head == head


def test_other_files_in_the_folder_are_none_of_ours(tmp_path, record):
    record("r1")
    (tmp_path / "runs" / "notes.txt").write_text("hello\nworld\n")

    assert len(History.read(tmp_path).runs) == 1


@pytest.mark.parametrize("content", ["hello\nworld\n", '{"type":"note"}\n'])
def test_a_foreign_run_file_stops_since_it_may_hide_an_open_intent(tmp_path, record, content):
    record("r1")
    (tmp_path / "runs" / "r2.jsonl").write_text(content)

    with pytest.raises(JournalError, match=r"r2\.jsonl:1: "):
        History.read(tmp_path)


def test_a_copy_of_a_run_under_another_name_stops(tmp_path, record):
    record("r1", verified(A, Outcome.DELETED))
    runs = tmp_path / "runs"
    (runs / "r1 (copy).jsonl").write_bytes((runs / "r1.jsonl").read_bytes())

    with pytest.raises(JournalError, match="another run, 'r1'"):
        History.read(tmp_path)


def test_runs_that_each_claim_to_be_the_later_one_stop(tmp_path):
    for run, other in (("r1", "r2"), ("r2", "r1")):
        first = RunStarted(run, NOON, "1.0", "p", "", "", (STORE,), 1, resumes=(other,))
        RunJournal.create(tmp_path, first).close()

    with pytest.raises(JournalError, match="contradicts itself"):
        History.read(tmp_path)


def test_a_folder_of_runs_that_cannot_be_listed_stops(tmp_path):
    (tmp_path / "runs").write_text("in the way")

    with pytest.raises(JournalError, match="cannot be read"):
        History.read(tmp_path)


def test_instances_share_the_uids_they_have_in_common(tmp_path, record):
    record("r1", verified(A, Outcome.DELETED))
    record("r2", verified(B, Outcome.DELETED))
    first, second = History.read(tmp_path).deleted(STORE)

    assert first.study_uid is second.study_uid
    assert first.series_uid is second.series_uid


def test_the_reading_of_a_history_tells_how_far_it_is(tmp_path, record):
    record("run-1", intent(A))
    record("run-2", intent(B))
    size = sum(path.stat().st_size for path in (tmp_path / "runs").iterdir())
    told = []
    assert len(History.read(tmp_path, lambda done, total: told.append((done, total))).runs) == 2
    assert told[-1] == (size, size)
