"""Where archives may not be: the state folder is not a place for patient data."""

from __future__ import annotations

from pathlib import Path

from reconciler.errors import UsageError
from reconciler.journal.state import State
from reconciler.model.plan import Plan


def require_archives_outside(plan: Plan, state: State) -> None:
    """Refuse an archive in the state folder, wherever that is; the project is checked on loading.

    Raises:
        UsageError: one lies in it.
    """
    here = state.path_of("")
    if here is None:
        return
    folder = here.resolve()
    for archive in plan.archives:
        if Path(archive).resolve().is_relative_to(folder):
            raise UsageError(
                f"the archive {archive} lies inside the state folder {state}",
                hint="name a folder outside of it in the file, or another state folder",
            )
