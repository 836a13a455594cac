"""Whether a plan may be applied: what speaks against a saved one, and against a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from reconciler.api import machine
from reconciler.api.listener import Listener
from reconciler.api.loading import read_desired_parts, read_desired_state
from reconciler.api.project import Project
from reconciler.desired import SPECS, Rule, has_specs
from reconciler.errors import DesiredStateError, PlanRefused, Refused
from reconciler.model.desired import DesiredState, InputRole, QueriedRemoves
from reconciler.model.patient import PatientKey
from reconciler.model.plan import SavedPlan
from reconciler.model.shards.manifest import Manifest
from reconciler.outside_memory import Database
from reconciler.planning.acceptance import (
    require_clean,
    require_digest,
    require_key,
    require_nothing_kept,
    require_same_inputs,
    require_unexpired,
    require_whole,
)
from reconciler.planning.gates import gates_of, require_passed_gates
from reconciler.planning.shards.keeps import Keeps
from reconciler.planning.shards.manifest_file import require_unchanged

if TYPE_CHECKING:
    from reconciler.desired.parts import DesiredParts

D = TypeVar("D", DesiredState, "DesiredParts")


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What was approved, and what the plan must be applied with."""

    digest: str
    patient_key: PatientKey | None = field(repr=False)
    must_be_clean: bool = field(kw_only=True)


def require_acceptable(
    saved: SavedPlan,
    project: Project,
    reviewed: Reviewed,
    listener: Listener,
) -> None:
    """Refuse a saved plan that the world has left behind.

    The keeps that count are those of the project as it is now, however the plan is sealed.

    Raises:
        PlanRefused: it is one shard of a plan, was changed, has expired, is not the reviewed one,
            deletes what is kept, or rests on other input files; or these are invalid.
        GatesBlocking: a gate of it is blocking.
    """
    require_whole(saved)
    _require_current(saved, reviewed)
    read = partial(read_desired_state, queried=_queried(saved))
    desired = _load(saved, project, read, listener)
    require_nothing_kept(saved, desired.keeps)
    _require_same_files(saved, desired, project, must_be_clean=reviewed.must_be_clean)
    require_passed_gates(gates_of(saved))


def require_acceptable_manifest(  # noqa: PLR0917 - as `require_acceptable`, and two more
    manifest: Manifest,
    left: Iterable[SavedPlan],
    project: Project,
    database: Database,
    reviewed: Reviewed,
    listener: Listener,
) -> Keeps:
    """As `require_acceptable`, of a plan in shards; with what is returned its shards are compared.

    What inventories list goes to the ``database``. Where something else would refuse the plan, the
    shards that are ``left`` are compared at once: what is kept is said first, as of any plan.
    """
    _require_current(manifest, reviewed)
    desired = _load(manifest, project, partial(read_desired_parts, database=database), listener)
    keeps = Keeps(database, desired.keeps())
    try:
        _require_same_files(manifest, desired, project, must_be_clean=reviewed.must_be_clean)
        require_passed_gates(manifest.gates)
    except Refused:
        for shard in left:
            require_nothing_kept(shard, keeps.covering(shard.plan))
        raise
    return keeps


def _require_current(saved: SavedPlan | Manifest, reviewed: Reviewed) -> None:
    require_unchanged(saved)
    require_unexpired(saved, machine.now())
    require_reviewed(saved, reviewed.digest, reviewed.patient_key)


def _require_same_files(
    saved: SavedPlan | Manifest,
    desired: DesiredState | DesiredParts,
    project: Project,
    *,
    must_be_clean: bool,
) -> None:
    require_same_inputs(saved, desired.inputs)
    if must_be_clean:
        require_clean(saved, project.checkout.state(desired.inputs))


def _load(
    saved: SavedPlan | Manifest, project: Project, read: Callable[..., D], listener: Listener
) -> D:
    """What the files of the plan ask for now, and what all those under specs/ keep.

    Which ones are deleted and not committed is said, and where there is no specs/.
    """
    try:
        desired = read(
            [project.root / path for path in saved.plan.paths],
            root=project.root,
            checkout=project.checkout,
            listener=listener,
        )
    except DesiredStateError as error:
        raise PlanRefused(
            f"the input files are not those that were planned: {error}",
            hint=error.hint or "correct the files, then make the plan again",
        ) from error
    for problem in desired.warnings:
        if problem.rule == Rule.DELETED_UNCOMMITTED:
            listener.note(str(problem))
    if saved.plan.has_deletions and not has_specs(project.root):
        listener.note(f"note: {project.root} has no folder {SPECS}/, so it has no keeps to check")
    return desired


def _queried(saved: SavedPlan) -> QueriedRemoves | None:
    """The statement that the plan was made from; its text is sealed into the plan's deletions."""
    statements = [file for file in saved.plan.inputs if file.role is InputRole.QUERY]
    return QueriedRemoves(statements[0]) if statements else None


def require_reviewed(
    saved: SavedPlan | Manifest, digest: str, patient_key: PatientKey | None
) -> None:
    """Go on only with the digest that was reviewed, and the key that the plan is bound by.

    Raises:
        PlanRefused: the plan has another.
    """
    require_key(saved, patient_key)
    require_digest(saved.digest, digest)
