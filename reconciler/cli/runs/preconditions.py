"""Whether a plan may be applied: what speaks against a saved one, and against a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.checkout import Checkout
from reconciler.cli import environment
from reconciler.cli.options.project import checkout_of
from reconciler.cli.output.console import say
from reconciler.cli.runs.applying import ApplyOptions
from reconciler.cli.runs.reading import read_desired_state
from reconciler.desired import SPECS, Rule, has_specs
from reconciler.errors import DesiredStateError, PlanRefused
from reconciler.model.address import StoreAddress
from reconciler.model.desired import Claims, DesiredState, InputRole, QueriedRemoves
from reconciler.model.plan import SavedPlan
from reconciler.model.problem import Severity
from reconciler.model.shards.manifest import Manifest
from reconciler.planning.acceptance import (
    require_clean,
    require_digest,
    require_key,
    require_nothing_kept,
    require_same_inputs,
    require_unexpired,
)
from reconciler.planning.gates import gates_of, require_passed_gates


def require_acceptable(
    saved: SavedPlan | Manifest, options: ApplyOptions
) -> Mapping[StoreAddress, Claims]:
    """Refuse a saved plan that the world has left behind.

    The keeps that count are those of the project as it is now, however the plan is sealed. They
    are given back: each shard of a plan is held against them when its turn comes.

    Raises:
        PlanRefused: it has expired, is not the reviewed one, deletes what is kept, or rests on
            other input files; or these are invalid.
        GatesBlocking: a gate of it is blocking.
    """
    require_unexpired(saved, environment.now())
    require_reviewed(saved, options)
    checkout = checkout_of(options.root)
    desired = _load(saved, options, checkout)
    if _has_deletions(saved) and not has_specs(options.root):
        say(f"note: {options.root} has no folder {SPECS}/, so no keep of it was looked for")
    if isinstance(saved, SavedPlan):
        require_nothing_kept(saved, desired.keeps)
    require_same_inputs(saved, desired.inputs)
    if options.require_clean:
        require_clean(saved, checkout.state(desired.inputs))
    require_passed_gates(gates_of(saved) if isinstance(saved, SavedPlan) else saved.gates)
    return desired.keeps


def _has_deletions(saved: SavedPlan | Manifest) -> bool:
    if isinstance(saved, SavedPlan):
        return saved.plan.has_deletions
    return saved.plan.deletions > 0


def _load(saved: SavedPlan | Manifest, options: ApplyOptions, checkout: Checkout) -> DesiredState:
    """What the files of the plan ask for now, and what all those under specs/ keep.

    Which ones are deleted and not committed is said.
    """
    paths = [options.root / path for path in saved.plan.paths]
    try:
        desired = read_desired_state(
            paths, root=options.root, queried=_queried(saved), checkout=checkout
        )
    except DesiredStateError as error:
        wrong = next(one for one in error.problems if one.severity is Severity.ERROR)
        raise PlanRefused(
            f"the input files are not those that were planned: {replace(wrong, hint=None)}",
            hint=wrong.hint or "correct the files, then make the plan again",
        ) from error
    for problem in desired.warnings:
        if problem.rule == Rule.DELETED_UNCOMMITTED:
            say(str(problem))
    return desired


def _queried(saved: SavedPlan | Manifest) -> QueriedRemoves | None:
    """The statement that the plan was made from; its text is sealed into the plan's deletions."""
    statements = [file for file in saved.plan.inputs if file.role is InputRole.QUERY]
    return QueriedRemoves(statements[0]) if statements else None


def require_reviewed(saved: SavedPlan | Manifest, options: ApplyOptions) -> None:
    """Go on only with the digest that was expected, if one was, and the key that it is bound by.

    Raises:
        PlanRefused: the plan has another.
    """
    require_key(saved, options.patient_key)
    if options.expect_digest is not None:
        require_digest(saved.digest, options.expect_digest)
