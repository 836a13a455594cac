"""Whether a plan may be applied: what speaks against a saved one, and against a new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.api import machine
from reconciler.api.listener import Listener
from reconciler.api.loading import read_desired_state
from reconciler.api.project import Project
from reconciler.desired import SPECS, Rule, has_specs
from reconciler.errors import DesiredStateError, PlanRefused
from reconciler.model.address import StoreAddress
from reconciler.model.desired import Claims, DesiredState, InputRole, QueriedRemoves
from reconciler.model.patient import PatientKey
from reconciler.model.plan import SavedPlan
from reconciler.model.shards.manifest import Manifest
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
from reconciler.planning.shards.manifest_file import require_unchanged


def require_acceptable(
    saved: SavedPlan | Manifest,
    project: Project,
    *,
    digest: str,
    patient_key: PatientKey | None,
    must_be_clean: bool,
    listener: Listener,
    shards: Iterable[SavedPlan] = (),
) -> Mapping[StoreAddress, Claims]:
    """Refuse a saved plan that the world has left behind.

    The keeps that count are those of the project as it is now, however the plan is sealed. They
    are returned: each shard of a plan is compared with them when its turn comes. Where other files
    would refuse a manifest, its ``shards`` are compared at once, since what is kept is said first.

    Raises:
        PlanRefused: it is one shard of a plan, was changed, has expired, is not the reviewed one,
            deletes what is kept, or rests on other input files; or these are invalid.
        GatesBlocking: a gate of it is blocking.
    """
    if isinstance(saved, SavedPlan):
        require_whole(saved)
    require_unchanged(saved)
    require_unexpired(saved, machine.now())
    require_reviewed(saved, digest, patient_key)
    desired = _load(saved, project, listener)
    if saved.plan.has_deletions and not has_specs(project.root):
        listener.note(
            f"note: {project.root} has no folder {SPECS}/, so no keep of it was looked for"
        )
    if isinstance(saved, SavedPlan):
        require_nothing_kept(saved, desired.keeps)
    try:
        require_same_inputs(saved, desired.inputs)
    except PlanRefused:
        for shard in shards:
            require_nothing_kept(shard, desired.keeps)
        raise
    if must_be_clean:
        require_clean(saved, project.checkout.state(desired.inputs))
    require_passed_gates(gates_of(saved) if isinstance(saved, SavedPlan) else saved.gates)
    return desired.keeps


def _load(saved: SavedPlan | Manifest, project: Project, listener: Listener) -> DesiredState:
    """What the files of the plan ask for now, and what all those under specs/ keep.

    Which ones are deleted and not committed is said.
    """
    try:
        desired = read_desired_state(
            [project.root / path for path in saved.plan.paths],
            root=project.root,
            queried=_queried(saved),
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
    return desired


def _queried(saved: SavedPlan | Manifest) -> QueriedRemoves | None:
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
