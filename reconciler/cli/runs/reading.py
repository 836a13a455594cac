"""Read desired-state files, plan files and the journal, with their progress."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from reconciler.checkout import Checkout
from reconciler.cli.output.progress import BYTES, progress
from reconciler.desired import load_desired_state
from reconciler.desired.parts import DesiredParts, load_in_parts
from reconciler.journal.history import History
from reconciler.journal.state import State
from reconciler.model.desired import DesiredState, QueriedRemoves
from reconciler.model.plan import SavedPlan
from reconciler.model.shards.manifest import Manifest
from reconciler.outside_memory import Database
from reconciler.planning.plan_file import read_plan
from reconciler.planning.shards.manifest_file import read_plan_or_manifest


def read_desired_state(
    paths: Sequence[Path],
    *,
    root: Path,
    checkout: Checkout,
    queried: QueriedRemoves | None = None,
    one_service: bool = True,
    today: date | None = None,
) -> DesiredState:
    """As `load_desired_state`; what the checkout hides is a problem as well."""
    with progress("reading files", BYTES) as counter:
        return load_desired_state(
            paths,
            root=root,
            queried=queried,
            one_service=one_service,
            today=today,
            on_progress=counter.update,
            inspect=checkout.inspect,
        )


def read_history(state: State) -> History:
    """As `History.read`."""
    with progress("reading the journal", BYTES) as counter:
        return History.read(state, counter.update)


def read_saved_plan(path: Path) -> SavedPlan:
    """As `read_plan`."""
    with progress(f"reading {path.name}", BYTES) as counter:
        return read_plan(path, counter.update)


def read_plan_in_any_form(path: Path) -> SavedPlan | Manifest:
    """As `read_plan_or_manifest`."""
    with progress(f"reading {path.name}", BYTES) as counter:
        return read_plan_or_manifest(path, counter.update)


def read_desired_parts(
    paths: Sequence[Path], *, root: Path, checkout: Checkout, database: Database
) -> DesiredParts:
    """As `load_in_parts`; what the checkout hides is a problem as well."""
    with progress("reading files", BYTES) as counter:
        return load_in_parts(
            paths,
            root=root,
            database=database,
            on_progress=counter.update,
            inspect=checkout.inspect,
        )
