"""What is sent, how often, and when nothing is sent any more; the record is a real one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.applying.sending import NotSentError, RetryBudget, Sender
from reconciler.applying.stopping import Stop
from reconciler.errors import JournalError
from reconciler.journal.places.disk import DiskState
from reconciler.journal.places.locks import DiskLease
from reconciler.journal.records import Intent, RunStarted
from reconciler.journal.writer import RunJournal
from reconciler.live.http.labels import AuditLabels
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.outcome import RunState
from reconciler.model.reply import Change, Reply, ReplyKind

from ..journal.by_hand import records_of

STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
INSTANCE = InstanceAddress("1.2", "1.2.1", "1.2.1.1")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST = Intent(NOON, 0, INSTANCE, 1, action=Change.STORE)


class StoppingJournal(RunJournal):
    """A record on disk; while it commits an intent, a signal arrives."""

    stop: Stop

    def commit(self, record: object) -> None:
        super().commit(record)  # type: ignore[arg-type]  # whatever the sender gives
        if isinstance(record, Intent):
            self.stop.request(RunState.INTERRUPTED, "signal 15")


STARTED = RunStarted(
    run="run-1",
    time=NOON,
    tool_version="1.0",
    endpoint="https://store.example",
    stores=(STORE,),
    plan_id="p",
    digest="d",
    planned=1,
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[StoppingJournal]:
    with StoppingJournal.create(DiskState(tmp_path), STARTED, DiskLease()) as made:
        assert isinstance(made, StoppingJournal)
        made.stop = Stop()
        yield made


def sender(journal: RunJournal, stop: Stop, budget: RetryBudget) -> Sender:
    turns = threading.Semaphore(2)
    return Sender(
        Change.STORE, {}, journal, AuditLabels("run-1"), budget, stop, lambda: NOON, turns
    )


def types(tmp_path: Path) -> list[str]:
    return [record["type"] for record in records_of(tmp_path / "runs" / "run-1.jsonl")]


QUICK = RetryBudget(lambda *_: 0.0, attempt_for=5.0, verify_for=5.0)


def test_nothing_is_sent_after_a_stop_that_comes_while_the_intent_is_written(
    journal: StoppingJournal, tmp_path: Path
) -> None:
    sent: list[int] = []

    def request() -> Reply:
        sent.append(1)
        return Reply(ReplyKind.ACCEPTED, 200)

    sending = sender(journal, journal.stop, QUICK)
    with pytest.raises(NotSentError) as stopped:
        sending.send(FIRST, request)
    assert stopped.value.is_on_record
    with pytest.raises(NotSentError) as again:
        sending.send(FIRST, request)
    assert not again.value.is_on_record
    assert (sent, types(tmp_path)) == ([], ["run_started", "intent"])


def test_nothing_is_sent_once_the_record_takes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An intent is durable, and then another worker's is refused: the run was taken over."""
    sent: list[int] = []

    def fails(*_: object, **__: object) -> None:
        raise OSError("another run has taken over")

    class Turns(threading.Semaphore):
        def __enter__(self) -> bool:
            monkeypatch.setattr("os.fsync", fails)
            with pytest.raises(JournalError):
                journal.commit(FIRST)
            return super().__enter__()

    def request() -> Reply:
        sent.append(1)
        return Reply(ReplyKind.ACCEPTED, 200)

    journal = RunJournal.create(DiskState(tmp_path), STARTED, DiskLease())
    sending = replace(sender(journal, Stop(), QUICK), turns=Turns(1))
    with pytest.raises(JournalError, match="another run has taken over"):
        sending.send(FIRST, request)
    assert sent == []
    with pytest.raises(JournalError):
        journal.close()


@pytest.mark.parametrize(
    ("kinds", "attempts"),
    [
        ([ReplyKind.ACCEPTED], 1),
        ([ReplyKind.THROTTLED, ReplyKind.UNCLEAR, ReplyKind.REFUSED], 3),
        ([ReplyKind.UNAUTHENTICATED, ReplyKind.UNAUTHENTICATED, ReplyKind.ACCEPTED], 2),
        ([ReplyKind.UNEXPECTED, ReplyKind.ACCEPTED], 1),
        ([ReplyKind.OPERATION, ReplyKind.ACCEPTED], 1),
    ],
)
def test_it_is_tried_until_the_answer_is_clear_and_a_fresh_token_once(
    kinds: list[ReplyKind], attempts: int
) -> None:
    replies = [Reply(kind, None) for kind in kinds]
    tried = list(QUICK.attempts(lambda number: replies[number - 1], threading.Event()))
    assert tried == replies[:attempts]


def test_a_file_that_changed_is_not_sent_again_and_what_was_answered_counts(
    journal: StoppingJournal, tmp_path: Path
) -> None:
    checks = iter([True, False])

    def check() -> None:
        if not next(checks):
            raise OSError("it was changed after it was checked")

    calm = sender(journal, Stop(), QUICK)
    replies = calm.send(FIRST, lambda: Reply(ReplyKind.UNCLEAR, 503), check)
    assert [one.kind for one in replies] == [ReplyKind.UNCLEAR]
    journal.append(FIRST)
    journal.close()
    assert types(tmp_path).count("result") == 1


def test_what_is_due_is_looked_for_again_until_it_is_there(journal: StoppingJournal) -> None:
    looks = iter([False, False, True, True])
    calm = sender(journal, Stop(), QUICK)
    assert calm.verify(lambda: next(looks), lambda seen: not seen)
    assert list(looks) == [True]


def test_a_stop_ends_the_looking_with_one_more_look(journal: StoppingJournal) -> None:
    stop, looks = Stop(), iter(range(9))
    stop.request(RunState.INTERRUPTED, "signal 15")
    assert sender(journal, stop, QUICK).verify(lambda: next(looks), lambda _: True) == 1
