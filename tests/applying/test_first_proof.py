"""One DELETE at a time, until one that this run sent is proven."""

from __future__ import annotations

import threading

import pytest

from reconciler.applying.first_proof import FirstProofs
from reconciler.applying.stopping import Stop
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.outcome import InstanceResult, Outcome
from reconciler.model.reply import ReplyKind

STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
INSTANCE = InstanceAddress("1.2", "1.2.1", "1.2.1.1")


def is_alone(proofs: FirstProofs) -> bool:
    """Whether another worker waits while one has its turn."""
    entered = threading.Event()

    def take_a_turn() -> None:
        with proofs.turn(STORE):
            entered.set()

    other = threading.Thread(target=take_a_turn)
    with proofs.turn(STORE):
        other.start()
        waits = not entered.wait(0.3)
    other.join()
    return waits


@pytest.mark.parametrize(
    ("outcome", "replies", "alone"),
    [
        (Outcome.DELETED, [ReplyKind.ACCEPTED], False),
        (Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT, [ReplyKind.UNCLEAR, ReplyKind.NOT_FOUND], False),
        (Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT, [ReplyKind.UNCLEAR], False),
        # What an earlier run of the plan had sent is no proof of this run's.
        (Outcome.DELETED, [ReplyKind.NOT_FOUND], True),
        (Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT, [ReplyKind.NOT_FOUND], True),
        (Outcome.ALREADY_ABSENT, [ReplyKind.NOT_FOUND], True),
        (Outcome.FAILED, [ReplyKind.REFUSED], True),
    ],
)
def test_workers_go_together_once_a_delete_of_this_run_is_proven(
    outcome: Outcome, replies: list[ReplyKind], alone: bool
) -> None:
    stop = Stop()
    proofs = FirstProofs([STORE], stop)
    assert is_alone(proofs)
    proofs.note(InstanceResult(STORE, INSTANCE, outcome), replies)
    assert is_alone(proofs) is alone
    assert not stop.is_requested


def test_an_accepted_delete_that_is_not_proven_stops_the_run() -> None:
    stop = Stop()
    result = InstanceResult(STORE, INSTANCE, Outcome.UNCONFIRMED, "HTTP 404 with HTML")
    FirstProofs([STORE], stop).note(result, [ReplyKind.ACCEPTED])
    assert stop.reason is not None
    assert "the first deletion could not be proven: HTTP 404 with HTML" in stop.reason
