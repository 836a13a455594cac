"""Records and whole runs for the tests of the journal and of its check."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.journal.places.disk import DiskState
from reconciler.journal.read_only import PlanEnded, PlanMade
from reconciler.journal.records import FirstRecord, Intent, LastRecord, Record, RunEnded, RunStarted
from reconciler.journal.segments import line_of
from reconciler.journal.writer import RunJournal
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.plan import Why

from .by_hand import file_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
OTHER = StoreAddress("imaging-prod", "europe-west4", "radiology", "teaching")
INSTANCE = InstanceAddress("1.2", "1.2.3", "1.2.3.4")
END = RunEnded(NOON, RunState.COMPLETED, dict.fromkeys(Outcome, 0), 0)
PLAN = PlanEnded(NOON, dict.fromkeys(Why, 0), ())


def apply_of(run: str, **given: Any) -> RunStarted:
    """The first record of an apply."""
    fields: dict[str, Any] = {
        "time": NOON,
        "tool_version": "1.0",
        "plan_id": "plan-1",
        "digest": "sha256:0",
        "endpoint": "https://example.org",
        "stores": (STORE,),
        "planned": 1,
    }
    return RunStarted(run=run, **fields | given)


def plan_of(run: str, **given: Any) -> PlanMade:
    """The first record of a plan."""
    fields: dict[str, Any] = {
        "time": NOON,
        "tool_version": "1.0",
        "plan_id": "plan-1",
        "digest": "sha256:0",
        "endpoint": "https://example.org",
        "stores": (STORE,),
    }
    return PlanMade(run=run, **fields | given)


def intent(number: int, *, time: datetime = NOON) -> Intent:
    """An intent on one of many instances; its attempt has the same number."""
    return Intent(time, 0, InstanceAddress("1.2", "1.2.3", f"1.2.3.{number}"), number)


def write(state: Path, first: FirstRecord, *records: Record) -> str:
    """Write a run, each record a segment; the head of the log if it has an end, else nothing."""
    with RunJournal.create(DiskState(state), first) as journal:
        for record in records:
            journal.commit(record)
        if isinstance(records[-1] if records else first, LastRecord):
            return journal.finish()
    return ""


def written(*segments: list[Record]) -> bytes:
    """A file of these records, with a chain that holds."""
    return file_of(*(map(line_of, records) for records in segments))
