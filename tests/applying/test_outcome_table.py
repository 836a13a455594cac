"""What the replies to a deletion and the look after it come to, and when an apply stops."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime

import pytest

from reconciler.applying.outcome import DELETIONS, AttemptSummary, deletion_outcome, summarize
from reconciler.applying.progress import PlanProgress
from reconciler.applying.stopping import Breaker, Stop
from reconciler.journal.fold import Attempt, Run
from reconciler.journal.history import PlanHistory
from reconciler.journal.records import Intent, Result, RunStarted
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import Limits, Reason, ReasonCode
from reconciler.model.live import Presence
from reconciler.model.outcome import Operation, Outcome, RunState
from reconciler.model.plan import DeletionGroup, Plan, SeriesPlan, StorePlan, StudyPlan
from reconciler.model.reply import ReplyKind
from reconciler.model.service import store_at

ACCEPTED, NOT_FOUND, REFUSED = ReplyKind.ACCEPTED, ReplyKind.NOT_FOUND, ReplyKind.REFUSED
UNAUTHENTICATED, THROTTLED = ReplyKind.UNAUTHENTICATED, ReplyKind.THROTTLED
UNCLEAR, UNEXPECTED, OPERATION = ReplyKind.UNCLEAR, ReplyKind.UNEXPECTED, ReplyKind.OPERATION

DELETED, ALREADY_ABSENT = Outcome.DELETED, Outcome.ALREADY_ABSENT
AMBIGUOUS = Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT
FAILED, UNCONFIRMED = Outcome.FAILED, Outcome.UNCONFIRMED

ROWS = {
    AttemptSummary.ACCEPTED: (DELETED, UNCONFIRMED, UNCONFIRMED),
    AttemptSummary.NOT_FOUND: (ALREADY_ABSENT, UNCONFIRMED, UNCONFIRMED),
    AttemptSummary.AMBIGUOUS: (AMBIGUOUS, FAILED, UNCONFIRMED),
    AttemptSummary.REFUSED: (ALREADY_ABSENT, FAILED, FAILED),
    AttemptSummary.OPERATION: (FAILED, FAILED, FAILED),
}
"""The table of the design: seen absent, still present, unknown."""
OF_DELETES = set(ReplyKind) - {ReplyKind.ALREADY_EXISTS}


def test_the_table_is_total() -> None:
    assert set(DELETIONS) == set(itertools.product(ROWS, Presence))
    assert set(ROWS) == {summarize([reply]) for reply in OF_DELETES}


def test_a_reply_that_no_delete_gets_is_no_clear_answer() -> None:
    for presence in Presence:
        expected = deletion_outcome([None], presence)
        assert deletion_outcome([ReplyKind.ALREADY_EXISTS], presence) is expected


@pytest.mark.parametrize("summary", ROWS)
def test_each_row_of_the_table(summary: AttemptSummary) -> None:
    looks = (Presence.ABSENT, Presence.PRESENT, Presence.UNKNOWN)
    assert tuple(DELETIONS[summary, presence] for presence in looks) == ROWS[summary]


def test_only_a_look_that_found_nothing_proves_a_deletion() -> None:
    for (_, presence), outcome in DELETIONS.items():
        assert presence is Presence.ABSENT or not outcome.is_gone


@pytest.mark.parametrize(
    ("replies", "summary"),
    [
        ([ACCEPTED], AttemptSummary.ACCEPTED),
        ([NOT_FOUND], AttemptSummary.NOT_FOUND),
        ([REFUSED], AttemptSummary.REFUSED),
        ([UNAUTHENTICATED], AttemptSummary.REFUSED),
        ([THROTTLED], AttemptSummary.REFUSED),
        ([UNCLEAR], AttemptSummary.AMBIGUOUS),
        ([UNEXPECTED], AttemptSummary.AMBIGUOUS),
        ([OPERATION], AttemptSummary.OPERATION),
        ([None], AttemptSummary.AMBIGUOUS),
        # 404 after a 503: the 503 may have been the deletion
        ([UNCLEAR, NOT_FOUND], AttemptSummary.AMBIGUOUS),
        # 404 after a 429 or a 401: those were clear refusals
        ([THROTTLED, NOT_FOUND], AttemptSummary.NOT_FOUND),
        ([UNAUTHENTICATED, NOT_FOUND], AttemptSummary.NOT_FOUND),
        # 403 after a 503: refused now, but the 503 stays what it was
        ([UNCLEAR, REFUSED], AttemptSummary.AMBIGUOUS),
        ([THROTTLED, REFUSED], AttemptSummary.REFUSED),
        ([UNAUTHENTICATED, UNAUTHENTICATED], AttemptSummary.REFUSED),
        # a run was killed before its reply was recorded
        ([None, NOT_FOUND], AttemptSummary.AMBIGUOUS),
        ([None, ACCEPTED], AttemptSummary.ACCEPTED),
        ([None, REFUSED], AttemptSummary.AMBIGUOUS),
        # accepted once is accepted, whatever a resumed run is told
        ([ACCEPTED, NOT_FOUND], AttemptSummary.ACCEPTED),
        ([ACCEPTED, UNCLEAR], AttemptSummary.ACCEPTED),
        ([UNCLEAR, ACCEPTED], AttemptSummary.ACCEPTED),
        ([UNEXPECTED, THROTTLED, NOT_FOUND], AttemptSummary.AMBIGUOUS),
        ([UNCLEAR, UNCLEAR, UNCLEAR], AttemptSummary.AMBIGUOUS),
    ],
    ids=str,
)
def test_all_attempts_are_taken_together(
    replies: list[ReplyKind | None], summary: AttemptSummary
) -> None:
    assert summarize(replies) is summary


@pytest.mark.parametrize("place", range(3))
def test_an_operation_anywhere_outweighs_everything(place: int) -> None:
    for others in itertools.product((ACCEPTED, NOT_FOUND, UNCLEAR, None), repeat=2):
        replies = [*others[:place], OPERATION, *others[place:]]
        assert summarize(replies) is AttemptSummary.OPERATION
        assert {deletion_outcome(replies, presence) for presence in Presence} == {FAILED}


def test_deleted_is_said_only_where_the_store_said_yes() -> None:
    for replies in itertools.product((*ReplyKind, None), repeat=3):
        outcome = deletion_outcome(replies, Presence.ABSENT)
        assert (outcome is DELETED) == (ACCEPTED in replies and OPERATION not in replies)


def test_already_absent_is_said_only_where_no_attempt_can_have_deleted() -> None:
    harmless = {NOT_FOUND, REFUSED, UNAUTHENTICATED, THROTTLED}
    for replies in itertools.product((*ReplyKind, None), repeat=3):
        outcome = deletion_outcome(replies, Presence.ABSENT)
        assert (outcome is ALREADY_ABSENT) == harmless.issuperset(replies)


# Stopping


def test_the_first_reason_to_stop_stands() -> None:
    stop = Stop()
    stop.request(RunState.INTERRUPTED, "a signal")
    stop.request(RunState.STOPPED, "too many failures")
    assert (stop.is_requested, stop.state, stop.reason) == (True, RunState.INTERRUPTED, "a signal")


def test_an_abort_overrides_a_milder_reason() -> None:
    stop = Stop()
    stop.request(RunState.STOPPED, "too many failures")
    stop.request(RunState.ABORTED, "an operation was named")
    stop.request(RunState.STOPPED, "something later")
    assert (stop.state, stop.reason) == (RunState.ABORTED, "an operation was named")


def test_nothing_stops_by_itself() -> None:
    stop = Stop()
    assert (stop.is_requested, stop.state, stop.reason) == (False, RunState.COMPLETED, None)


@pytest.mark.parametrize("outcome", [FAILED, UNCONFIRMED])
def test_so_many_unproven_deletions_stop_the_run(outcome: Outcome) -> None:
    stop = Stop()
    breaker = Breaker(3, stop, Operation.APPLY)
    for last in (False, False, True):
        assert not stop.is_requested
        breaker.record(outcome)
        assert stop.is_requested is last
    assert (stop.state, stop.reason) == (
        RunState.STOPPED,
        "3 deletions could not be proven",
    )


@pytest.mark.parametrize("outcome", [DELETED, ALREADY_ABSENT, AMBIGUOUS])
def test_a_proven_deletion_ends_a_row_of_failures(outcome: Outcome) -> None:
    stop = Stop()
    breaker = Breaker(2, stop, Operation.APPLY)
    for one in (FAILED, outcome, FAILED, outcome, UNCONFIRMED):
        breaker.record(one)
    assert not stop.is_requested


@pytest.mark.parametrize("outcome", [DELETED, ALREADY_ABSENT, AMBIGUOUS])
def test_no_other_proof_makes_up_for_an_unconfirmed_deletion(outcome: Outcome) -> None:
    stop = Stop()
    breaker = Breaker(3, stop, Operation.APPLY)
    for one in (UNCONFIRMED, outcome, FAILED, outcome, UNCONFIRMED, outcome):
        breaker.record(one)
        assert not stop.is_requested
    breaker.record(FAILED)
    assert stop.is_requested


def test_what_was_not_attempted_neither_counts_nor_ends_the_row() -> None:
    stop = Stop()
    breaker = Breaker(2, stop, Operation.APPLY)
    for one in (FAILED, Outcome.NOT_ATTEMPTED, Outcome.NOT_ATTEMPTED):
        breaker.record(one)
    assert not stop.is_requested
    breaker.record(FAILED)
    assert stop.is_requested


def test_a_breaker_counts_the_outcomes_of_all_workers() -> None:
    stop = Stop()
    breaker = Breaker(400, stop, Operation.APPLY)
    workers = [
        threading.Thread(target=lambda: [breaker.record(FAILED) for _ in range(100)])
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert stop.is_requested


# Progress of interrupted runs

STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
ONE, TWO, THREE = (InstanceAddress("1", "1.1", f"1.1.{number}") for number in (1, 2, 3))


def plan() -> Plan:
    reason = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED)
    uids = {one.instance_uid: 4 for one in (ONE, TWO, THREE)}
    series = SeriesPlan("1.1", 9, False, (DeletionGroup("specs/a.yaml", reason, False, uids),))
    study = StudyPlan("1", 9, 6, False, (series,))
    return Plan(("specs",), (), (StorePlan(STORE, Limits(), (study,), (), (), ()),))


def test_a_first_run_has_everything_before_it() -> None:
    progress = PlanProgress.of(None, (), {})
    assert progress.gone == frozenset()
    targets = list(progress.targets(plan(), (STORE,)))
    assert [(target.instance, target.earlier) for target in targets] == [
        (ONE, ()),
        (TWO, ()),
        (THREE, ()),
    ]


def test_what_settling_proved_is_gone() -> None:
    progress = PlanProgress({(STORE, ONE): DELETED, (STORE, TWO): FAILED})
    assert progress.gone == {(STORE, ONE)}


NOON = datetime(2026, 1, 1, tzinfo=UTC)


def attempt(run: str, instance: InstanceAddress, kind: ReplyKind) -> Attempt:
    started = RunStarted(
        run=run,
        time=NOON,
        tool_version="1.0",
        plan_id="p",
        digest="sha256:0",
        endpoint="https://store.example",
        stores=(STORE,),
        planned=1,
    )
    store = store_at(started.endpoint, STORE)
    intent = Intent(NOON, 0, instance, 1)
    replied = Result(NOON, 0, instance, 1, kind, None)
    return Attempt(Run(started, 0, (store,)), store, intent, intent, {1: replied})


def test_attempts_of_other_plans_say_nothing_about_this_one_but_that_it_is_gone() -> None:
    attempts = [attempt("other-run", ONE, UNCLEAR)]
    progress = PlanProgress.of(None, attempts, {("other-run", STORE, ONE): DELETED})
    assert (progress.outcomes, progress.replies((STORE, ONE))) == ({}, ())
    assert progress.others == {(STORE, ONE): 0}


def earlier(*runs: str, failed: Attempt | None = None) -> PlanHistory:
    failures = {(STORE, ONE): [failed]} if failed else {}
    return PlanHistory(runs, NOON, None, {}, failures)


def test_an_instance_that_several_runs_left_open_has_the_replies_of_all() -> None:
    """The 503 of the first may have been the deletion, whatever the second was told."""
    attempts = [attempt("first", ONE, UNCLEAR), attempt("second", ONE, THROTTLED)]
    progress = PlanProgress.of(earlier("first", "second"), attempts, {})
    assert progress.replies((STORE, ONE)) == (UNCLEAR, THROTTLED)


@pytest.mark.parametrize("reply", ReplyKind)
def test_an_attempt_that_failed_counts_with_what_it_was_told(reply: ReplyKind) -> None:
    """A clear no explains no absence; whatever had no clear answer may."""
    known = earlier("a", "b", failed=attempt("a", ONE, reply))
    progress = PlanProgress.of(known, [attempt("b", ONE, THROTTLED)], {})
    assert progress.replies((STORE, ONE)) == (reply, THROTTLED)
    assert progress.tried_at((STORE, ONE)) == 0


def test_what_was_recorded_without_an_attempt_leaves_none() -> None:
    """Its copy failed, so that no DELETE was sent."""
    known = PlanHistory(("a",), NOON, None, {(STORE, ONE): FAILED})
    assert PlanProgress.of(known, (), {}).replies((STORE, ONE)) == ()
