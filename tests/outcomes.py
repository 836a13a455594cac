"""The last outcome of each instance of a plan, as the runs on record say."""

from __future__ import annotations

from pathlib import Path

from reconciler.journal.fold import Fold, Proof
from reconciler.journal.history import History
from reconciler.journal.places.disk import DiskState
from reconciler.model.address import InstanceAddress
from reconciler.model.outcome import Outcome

from .run_files import run_records


def outcomes_of(state: Path, plan_id: str) -> dict[InstanceAddress, Outcome]:
    """Over all runs of the plan, and what later runs settled for them."""
    names = [one.run.name for one in History.read(DiskState(state)).runs]
    fold = Fold(names)
    events = (
        event for name in names for event in fold.add(run_records(state / "runs" / f"{name}.jsonl"))
    )
    return {
        event.record.instance: event.record.outcome
        for event in events
        if isinstance(event, Proof) and event.run is not None and event.run.plan_id == plan_id
    }
