"""Make a plan for a command: for ``plan``, ``apply PATH`` and the DELETE of ``query``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from reconciler.api.loading import load
from reconciler.api.planning import plan
from reconciler.api.project import Project
from reconciler.api.service import provider_of
from reconciler.api.shard_folder import ShardFolder
from reconciler.api.sharding import plan_in_shards
from reconciler.cli import environment
from reconciler.cli.options.listening import Console
from reconciler.cli.output.console import say
from reconciler.errors import ExitCode
from reconciler.model.desired import QueriedRemoves
from reconciler.model.gate import Gate
from reconciler.model.plan import SavedPlan
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.shards.manifest import Manifest
from reconciler.planning.gates import blocking_gates, gates_of
from reconciler.reporting.wording import effort_line


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


def make_plan_in_shards(
    request: PlanRequest, size: int, folder: ShardFolder, on_shard: Callable[[SavedPlan], None]
) -> Manifest:
    """As `plan_in_shards`."""
    return plan_in_shards(
        request.paths,
        request.project,
        lambda provider: environment.service(request.access, provider),
        folder,
        size=size,
        max_age=request.max_age,
        probe=request.probe,
        requester=environment.requester(),
        listener=request.listener,
        on_shard=on_shard,
    )


def say_effort(summary: PlanSummary, max_qps: float | None) -> None:
    """Say what applying the plan costs in requests, and in time, where their rate is held."""
    if summary.listed and max_qps is not None:
        say(f"apply sends {effort_line(summary.requests, max_qps)}")


def plan_exit_code(saved: SavedPlan, *, detailed: bool = False) -> ExitCode:
    """The exit code of a plan that was shown; names its blocking gates on stderr."""
    return exit_code_of(gates_of(saved), is_pending=detailed and saved.plan.has_pending)


def exit_code_of(gates: Sequence[Gate], *, is_pending: bool) -> ExitCode:
    """As `plan_exit_code`."""
    blocking = blocking_gates(gates)
    if blocking:
        names = ", ".join(sorted({gate.name.value for gate in blocking}))
        say(f"this plan cannot be applied: blocking gates: {names}")
        return ExitCode.REFUSED
    return ExitCode.PENDING if is_pending else ExitCode.SUCCESS
