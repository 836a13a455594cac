"""Which restores are unfinished, and how little is asked to know it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.applying import pending
from reconciler.applying.archived import ArchivedRun
from reconciler.journal.fold import Read, Run
from reconciler.journal.history import History
from reconciler.journal.places.disk import DiskState
from reconciler.journal.records import RestoreStarted
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import Reason, ReasonCode
from reconciler.model.past import ArchivedInstance
from reconciler.model.problem import Source

STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REASON = Reason(ReasonCode.QUALITY_CONTROL_INTENT)


def archived(run: str) -> ArchivedRun:
    """A run that archived three instances."""
    instances = tuple(
        ArchivedInstance(
            *(run, STORE, InstanceAddress("1.2", "1.2.3", f"1.2.3.{number}"), Path("/archive")),
            *(f"{run}/{number}.dcm", "0" * 64, 1, Source("specs/a.yaml", 1), REASON),
        )
        for number in range(3)
    )
    return ArchivedRun((run,), "https://example.org", (STORE,), instances)


def test_only_what_concerns_one_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history, asked = History.read(DiskState(tmp_path)), []
    for place, run in enumerate("abc"):
        started = RestoreStarted(
            run=f"r{run}",
            time=NOON,
            tool_version="1.0",
            restores=(run,),
            endpoint="https://example.org",
            stores=(STORE,),
            planned=3,
        )
        history.runs.append(Read(Run(started, place, ()), None, met_operation=False))

    def read(state: Path, run: str, *, only: tuple[str, ...]) -> ArchivedRun:
        asked.append(run)
        return archived(run)

    monkeypatch.setattr(pending, "read_archived", read)
    found = pending.unfinished_restores(history, tmp_path, lambda read: read.run.name != "rb")
    assert [read.run.name for read in found] == ["ra", "rc"]
    assert asked == ["a", "c"]


def test_one_that_may_not_say_all_it_was_asked_for_is_never_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It died before it did anything: to go on could put back all where one was asked for."""
    history = History.read(DiskState(tmp_path))
    for place, (only, has_begun) in enumerate([(("1.2.3.1",), True), ((), False), ((), True)]):
        started = RestoreStarted(
            run=f"r{place}",
            time=NOON,
            tool_version="1.0",
            restores=("a" if place < 2 else "b",),
            endpoint="https://example.org",
            stores=(STORE,),
            planned=1,
        )
        run = Run(started, place, ())
        history.runs.append(Read(run, None, met_operation=False, only=only, has_begun=has_begun))
    monkeypatch.setattr(pending, "read_archived", lambda _, run, *, only: archived(run))

    found = pending.unfinished_restores(history, tmp_path, lambda _: True)
    assert [(read.run.name, read.only) for read in found] == [("r0", ("1.2.3.1",)), ("r2", ())]
