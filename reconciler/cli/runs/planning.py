"""Make a plan for a command: for ``plan``, ``apply PATH`` and the DELETE of ``query``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from reconciler.api.loading import load
from reconciler.api.planning import plan
from reconciler.api.project import Project
from reconciler.api.service import provider_of
from reconciler.cli import environment
from reconciler.cli.options.listening import Console
from reconciler.cli.output.console import say
from reconciler.errors import ExitCode
from reconciler.model.desired import QueriedRemoves
from reconciler.model.plan import SavedPlan
from reconciler.planning.gates import blocking_gates, gates_of


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What a plan is to be made from, and how the store is asked; without paths: specs/."""

    paths: Sequence[Path] | None
    project: Project
    access: environment.Access
    max_age: timedelta
    listener: Console
    probe: Literal["auto", "retrieve"] = "auto"
    queried: QueriedRemoves | None = None


def make_plan(request: PlanRequest) -> SavedPlan:
    """As `load` and `plan`."""
    desired = load(
        request.paths,
        project=request.project,
        queried=request.queried,
        listener=request.listener,
    )
    provider = provider_of(store.store for store in desired.stores)
    return plan(
        desired,
        request.project,
        environment.service(request.access, provider),
        max_age=request.max_age,
        probe=request.probe,
        requester=environment.requester(),
        listener=request.listener,
    )


def plan_exit_code(saved: SavedPlan, *, detailed: bool = False) -> ExitCode:
    """The exit code of a plan that was shown; names its blocking gates on stderr."""
    blocking = blocking_gates(gates_of(saved))
    if blocking:
        names = ", ".join(sorted({gate.name.value for gate in blocking}))
        say(f"this plan will not be applied: blocking gates: {names}")
        return ExitCode.REFUSED
    if detailed and saved.plan.has_pending:
        return ExitCode.PENDING
    return ExitCode.SUCCESS
