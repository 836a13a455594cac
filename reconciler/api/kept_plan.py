"""The plans that are kept with the record, so that an interrupted apply can be resumed."""

from __future__ import annotations

import shlex
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.api.listener import Listener
from reconciler.api.loading import read_saved_plan
from reconciler.journal.state import State
from reconciler.model.plan import SavedPlan
from reconciler.planning.plan_file import write_plan


def keep_plan(saved: SavedPlan, state: State) -> str:
    """Keep a plan; where it is.

    Raises:
        JournalError: the state cannot be written.
    """
    name = _name_of(saved.plan_id)
    if state.objects.read(name) is None:
        state.objects.create(name, "".join(write_plan(saved)).encode())
    return f"{state}/{name}"


def read_kept_plan(state: State, plan_id: str, listener: Listener) -> SavedPlan | None:
    """A plan that was kept; None if it is not there.

    Raises:
        JournalError: the state cannot be read.
        PlanFileError: it is not a plan file.
        PlanRefused: it was edited, or another major version of the format wrote it.
    """
    kept = kept_file(state, plan_id)
    if kept is not None:
        return read_saved_plan(kept, listener)
    data = state.objects.read(_name_of(plan_id))
    if data is None:
        return None
    with TemporaryDirectory(prefix="reconciler-") as folder:
        path = Path(folder, f"{plan_id}.json")
        path.write_bytes(data)
        return read_saved_plan(path, listener)


def kept_file(state: State, plan_id: str) -> Path | None:
    """The file of a plan that was kept; None if it is in a bucket or not there."""
    path = state.path_of(_name_of(plan_id))
    return path if path is not None and path.exists() else None


def resume_command(saved: SavedPlan, state: State) -> str:
    """The command that resumes the apply of a plan that was kept, as a shell takes it."""
    kept = kept_file(state, saved.plan_id)
    plan = [str(kept)] if kept else ["--expect-digest", saved.digest, "--state", str(state)]
    return shlex.join(["reconciler", "apply", *plan])


def _name_of(plan_id: str) -> str:
    return f"plans/{plan_id}.json"
