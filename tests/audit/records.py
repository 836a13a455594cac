"""Runs as an apply records them, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.journal.places.disk import DiskState
from reconciler.journal.records import (
    EmptiedStudy,
    FirstRecord,
    Intent,
    LastRecord,
    Record,
    Restored,
    RestoreStarted,
    Result,
    RunEnded,
    RunStarted,
    Verified,
)
from reconciler.journal.writer import RunJournal
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import Reason, ReasonCode
from reconciler.model.live import Presence
from reconciler.model.outcome import Operation, Outcome, RunState
from reconciler.model.problem import Source
from reconciler.model.provenance import Provenance, Requester
from reconciler.model.reply import Change, ReplyKind

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORE = StoreAddress("p", "europe-west4", "d", "s")
REASON = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED, "ten years", "RET-1")
REQUESTER = Requester("github", "alice", "17", "https://ci.example/17")
MINUTE = timedelta(minutes=1)


def instance(number: int, study: int = 1) -> InstanceAddress:
    return InstanceAddress(f"1.2.{study}", f"1.2.{study}.3", f"1.2.{study}.3.{number}")


def started(
    run: str,
    resumes: Sequence[str] = (),
    requester: Requester | None = REQUESTER,
) -> RunStarted:
    return RunStarted(
        run=run,
        time=NOON,
        tool_version="1.0",
        plan_id="plan-1",
        digest="sha256:0",
        endpoint="https://store.example",
        stores=(STORE,),
        planned=2,
        resumes=tuple(resumes),
        provenance=Provenance("robot@example.com", requester),
    )


def attempt(
    address: InstanceAddress,
    outcome: Outcome = Outcome.DELETED,
    *,
    time: datetime = NOON,
    reason: Reason = REASON,
    status: int = 200,
) -> list[Record]:
    """The three records of one deletion."""
    gone = Presence.ABSENT if outcome.is_gone else Presence.PRESENT
    kind = ReplyKind.ACCEPTED if outcome.is_gone else ReplyKind.REFUSED
    return [
        Intent(time, 0, address, 1, Source("specs/a.yaml", 7), reason),
        Result(time, 0, address, 1, kind, status, request_id=f"r-{address.instance_uid}"),
        Verified(time, 0, address, gone, outcome),
    ]


def write_restore(
    state: Path, run: str, archived_by: str, address: InstanceAddress, time: datetime
) -> None:
    """A restore that puts one instance back."""
    first = RestoreStarted(
        run=run,
        time=time,
        tool_version="1.0",
        restores=(archived_by,),
        endpoint="https://store.example",
        stores=(STORE,),
        planned=1,
    )
    source = Source("specs/a.yaml", 7)
    outcome = Outcome.IDENTICAL
    counts = {one: int(one is outcome) for one in Operation.RESTORE.outcomes}
    write(
        state,
        first,
        Intent(time, 0, address, 1, action=Change.STORE),
        Result(time, 0, address, 1, ReplyKind.ACCEPTED, 200),
        Restored(time, 0, address, archived_by, outcome, source, REASON),
        RunEnded(time, RunState.COMPLETED, counts, 0),
    )


def emptied(deletions: int, study: int = 1) -> EmptiedStudy:
    """A study that so many deletions empty."""
    return EmptiedStudy(NOON, 0, f"1.2.{study}", deletions)


def write(state: Path, first: FirstRecord, *records: Record) -> None:
    """A run; it is in the log if it has an end, as if its process died else."""
    with RunJournal.create(DiskState(state), first) as journal:
        for record in records:
            journal.append(record)
        if records and isinstance(records[-1], LastRecord):
            journal.finish()
