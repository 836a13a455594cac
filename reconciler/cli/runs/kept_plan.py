"""The plans that a state folder keeps, so that an interrupted apply can be resumed."""

from __future__ import annotations

from pathlib import Path

from reconciler.cli.output.destination import write_file
from reconciler.errors import JournalError
from reconciler.journal.folder import make_folder
from reconciler.model.plan import SavedPlan
from reconciler.planning.plan_file import write_plan


def plan_file(state: Path, plan_id: str) -> Path:
    """Where a plan is kept."""
    return state / "plans" / f"{plan_id}.json"


def keep_plan(saved: SavedPlan, state: Path) -> Path:
    """Keep a plan; where it is.

    Raises:
        JournalError: the state folder cannot be written.
    """
    path = plan_file(state, saved.plan_id)
    try:
        make_folder(path.parent)
    except OSError as error:
        raise JournalError(
            f"the state folder {state} cannot be written: {error.strerror or error}",
            hint="nothing was deleted; see to it, or name another with --state",
        ) from error
    if not path.exists():
        write_file(path, write_plan(saved))
    return path
