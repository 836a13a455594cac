"""Read desired-state files, plan files and the journal, with their progress."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.api import machine
from reconciler.api.arguments import as_paths, require_types
from reconciler.api.listener import BYTES, SILENT, Listener
from reconciler.api.project import Project
from reconciler.checkout import Checkout
from reconciler.desired import SPECS
from reconciler.journal.history import History
from reconciler.journal.state import State
from reconciler.model.desired import DesiredState, QueriedRemoves
from reconciler.model.plan import SavedPlan
from reconciler.model.shards.manifest import Manifest
from reconciler.objects.path import AnyPath
from reconciler.outside_memory import Database
from reconciler.planning.plan_file import read_plan as read_plan_file
from reconciler.planning.shards.manifest_file import read_plan_or_manifest

if TYPE_CHECKING:
    from reconciler.desired.parts import DesiredParts


def load(
    paths: Sequence[str | Path] | None = None,
    *,
    project: Project,
    queried: QueriedRemoves | None = None,
    listener: Listener = SILENT,
) -> DesiredState:
    """Read and check desired-state files, without contacting a store.

    Args:
        paths: Files and folders; relative ones start from the working directory. Default:
            ``specs/`` of the project. The keeps of every file under ``specs/`` always apply.
        project: Where the files are.
        queried: The removes of a query, instead of those of the files.
        listener: Receives progress and warnings.

    Returns:
        What the files ask for; its ``stores`` name what is to be kept and removed.

    Raises:
        DesiredStateError: files are invalid, with every problem of every file.
        HiddenFilesError: a file that may have keeps could not be read.
        UsageError: ``paths`` is one text.

    Example:
        >>> desired = reconciler.load([folder / "specs"], project=reconciler.Project.open(folder))
        >>> [store.store.dicom_store_id for store in desired.stores]
        ['demo-store']
    """
    require_types(project=project, listener=listener)
    given = [project.root / SPECS] if paths is None else as_paths(paths)
    desired = read_desired_state(
        given,
        root=project.root,
        checkout=project.checkout,
        queried=queried,
        listener=listener,
        today=machine.now().date(),
    )
    if desired.warnings:
        listener.problems(desired.warnings)
    return desired


def read_desired_state(
    paths: Sequence[Path],
    *,
    root: Path,
    checkout: Checkout,
    listener: Listener,
    queried: QueriedRemoves | None = None,
    one_service: bool = True,
    today: date | None = None,
    with_reviews: bool = False,
) -> DesiredState:
    """As `load_desired_state`; what the checkout hides is a problem as well."""
    # YAML and JSON Schema take a fifth of a second; to show a saved plan needs neither.
    from reconciler.desired.load import load_desired_state  # noqa: PLC0415

    with listener.step("reading files", unit=BYTES) as update:
        return load_desired_state(
            paths,
            root=root,
            queried=queried,
            one_service=one_service,
            today=today,
            with_reviews=with_reviews,
            on_progress=update,
            inspect=checkout.inspect,
        )


def read_history(state: State, listener: Listener) -> History:
    """As `History.read`."""
    with listener.step("reading the journal", unit=BYTES) as update:
        return History.read(state, update)


def read_saved_plan(path: AnyPath, listener: Listener) -> SavedPlan:
    """As `reconciler.planning.plan_file.read_plan`."""
    with listener.step(f"reading {path.name}", unit=BYTES) as update:
        return read_plan_file(path, update)


def read_plan_in_any_form(path: AnyPath, listener: Listener) -> SavedPlan | Manifest:
    """As `read_plan_or_manifest`."""
    with listener.step(f"reading {path.name}", unit=BYTES) as update:
        return read_plan_or_manifest(path, update)


def read_desired_parts(
    paths: Sequence[Path],
    *,
    root: Path,
    checkout: Checkout,
    database: Database,
    listener: Listener,
    today: date | None = None,
) -> DesiredParts:
    """As `load_in_parts`; what the checkout hides is a problem as well."""
    from reconciler.desired.parts import load_in_parts  # noqa: PLC0415 - as above

    with listener.step("reading files", unit=BYTES) as update:
        return load_in_parts(
            paths,
            root=root,
            database=database,
            today=today,
            on_progress=update,
            inspect=checkout.inspect,
        )
