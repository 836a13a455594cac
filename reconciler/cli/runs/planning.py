"""From PATHs to a saved plan: load, look, compare. Shared by ``plan`` and ``apply PATH``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from reconciler import __version__
from reconciler.cli.environment import Access, connect, new_plan_id, now, provider_of
from reconciler.cli.environment import endpoint as find_endpoint
from reconciler.cli.options.events import NO_EVENTS, Events
from reconciler.cli.options.project import checkout_of
from reconciler.cli.output.console import report_problems, say, say_last
from reconciler.cli.output.progress import progress
from reconciler.cli.runs.archives import require_archives_outside
from reconciler.cli.runs.other_services import note_other_services
from reconciler.cli.runs.reading import read_desired_state, read_history
from reconciler.cli.runs.recording import record_plan
from reconciler.cli.runs.unfinished import note_unfinished
from reconciler.desired.parts import DesiredParts
from reconciler.errors import EndpointError, ExitCode, JournalError
from reconciler.journal.earlier_plans import overridden_before
from reconciler.journal.history import StoreHistory
from reconciler.journal.state import State
from reconciler.live.connection import Connection
from reconciler.live.http.endpoint import Endpoint
from reconciler.model.address import StoreAddress
from reconciler.model.desired import DesiredState, QueriedRemoves
from reconciler.model.gate import Gate
from reconciler.model.live import LiveStore
from reconciler.model.plan import OverriddenInstances, Plan, SavedPlan
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.service import store_at
from reconciler.planning.dangling import with_references
from reconciler.planning.gates import blocking_gates, gates_of
from reconciler.planning.holds import freed_from, overridden_by_holds
from reconciler.planning.never_seen import mark_never_seen, unrecorded_stores
from reconciler.planning.plan_file import digest_of
from reconciler.planning.planner import make_plan
from reconciler.planning.reappeared import find_reappeared
from reconciler.planning.seen import studies_seen
from reconciler.reporting.events import diagnostic_events
from reconciler.reporting.wording import effort_line, traffic_line
from reconciler.survey.references import read_references
from reconciler.survey.refresh import refresh
from reconciler.survey.stages import ProbeMode


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What a plan is to be made from, and how the store is asked."""

    paths: Sequence[Path]
    root: Path
    state: State
    access: Access
    max_age: timedelta
    queried: QueriedRemoves | None = None
    probe: ProbeMode = ProbeMode.AUTO
    events: Events = NO_EVENTS


def make_saved_plan(request: PlanRequest) -> SavedPlan:
    """Make a plan and leave a record of it; never sends anything that changes a store.

    Raises:
        DesiredStateError: the files are invalid.
        LiveError: a store cannot be asked.
        JournalError: the state folder cannot be read.
    """
    checkout = checkout_of(request.root)
    desired = read_desired_state(
        request.paths, root=request.root, queried=request.queried, checkout=checkout
    )
    if desired.warnings:
        report_problems(desired.warnings)
        request.events.emit(diagnostic_events(desired.warnings))
    provider = provider_of(store.store for store in desired.stores)
    endpoint = find_endpoint(request.access.endpoint, provider)
    require_expected_endpoint(desired, endpoint)
    history = read_history(request.state)
    stores = [store.store for store in desired.stores]
    note_other_services(stores, str(endpoint), history.stores)
    pasts = {store: history.of(store, str(endpoint)) for store in stores}
    with connect(
        endpoint,
        request.access,
        provider=provider,
        read_only=True,
    ) as connection:
        live = _look(desired, request, pasts, connection)
        made = _with_references(make_plan(desired, live), desired, live, request, connection)
        say_last(f"sent {traffic_line(connection.traffic)}")
        overridden = overridden_by_holds(desired, live)
        principal = connection.principal
    plan = mark_never_seen(made, {store: past.knows for store, past in pasts.items()})
    recorded = {store for store in stores if store_at(str(endpoint), store) in history.stores}
    planned = ((store.store, one) for store in plan.stores for one in store.deletions())
    require_archives_outside(plan, request.state)
    created = now()
    saved = SavedPlan(
        plan=plan,
        digest=digest_of(plan),
        plan_id=new_plan_id(),
        created=created,
        expires=created + request.max_age,
        tool_version=__version__,
        endpoint=str(endpoint),
        git=checkout.state(plan.inputs),
        reappeared=find_reappeared(plan, history.last_words(planned, str(endpoint))),
        unrecorded=unrecorded_stores(plan, recorded),
        freed=freed_from(plan, overridden_last_time(plan, str(endpoint), request.state)),
        seen=studies_seen(plan, live),
    )
    record_plan(saved, overridden, request.state, principal=principal)
    note_unfinished(saved, request.state, history)
    return saved


def overridden_last_time(
    plan: Plan, endpoint: str, state: State
) -> tuple[OverriddenInstances, ...]:
    """As `overridden_before`; a note where it is not known, since it is for readers alone."""
    try:
        return overridden_before(state, plan, endpoint)
    except JournalError as error:
        say(f"note: whether a hold was taken out is not known: {error}")
        return ()


def require_expected_endpoint(desired: DesiredState | DesiredParts, endpoint: Endpoint) -> None:
    """Compare the origin that files name with the configured one, which alone is trusted.

    Raises:
        EndpointError: they differ.
    """
    for origin, source in sorted(desired.endpoints.items()):
        if origin != str(endpoint):
            raise EndpointError(
                f"{source} expects the service at {origin}, this run is set to {endpoint}",
                hint="set --endpoint or RECONCILER_ENDPOINT to the one that is right",
            )


def _look(
    desired: DesiredState,
    request: PlanRequest,
    pasts: Mapping[StoreAddress, StoreHistory],
    connection: Connection,
) -> dict[StoreAddress, LiveStore]:
    live = {}
    for store in desired.stores:
        with progress(f"looking at {store.store.dicom_store_id}") as counter:
            live[store.store] = refresh(
                store,
                connection.store(store.store),
                parallelism=request.access.parallelism,
                mode=request.probe,
                was_deleted=pasts[store.store].is_gone,
                on_progress=request.events.probing(store.store, counter.update),
            )
    return live


def _with_references(
    plan: Plan,
    desired: DesiredState,
    live: Mapping[StoreAddress, LiveStore],
    request: PlanRequest,
    connection: Connection,
) -> Plan:
    """The plan, with what it leaves dangling; one that deletes nothing asks nothing."""
    stores = []
    for one, wanted in zip(plan.stores, desired.stores, strict=True):
        with progress(f"reading references in {one.store.dicom_store_id}") as counter:
            seen = read_references(
                wanted,
                live[one.store],
                one,
                connection.store(one.store),
                parallelism=request.access.parallelism,
                on_progress=request.events.probing(one.store, counter.update),
            )
        stores.append(with_references(one, wanted, seen))
    return replace(plan, stores=tuple(stores))


def say_effort(summary: PlanSummary, max_qps: float | None) -> None:
    """Say what applying the plan costs in requests, and in time where their rate is held."""
    if summary.listed:
        say(f"apply sends {effort_line(summary.requests, max_qps)}")


def plan_exit_code(saved: SavedPlan, *, detailed: bool = False) -> ExitCode:
    """The exit code of a plan that was shown; names its blocking gates on stderr."""
    return exit_code_of(gates_of(saved), is_pending=detailed and saved.plan.has_pending)


def exit_code_of(gates: Sequence[Gate], *, is_pending: bool) -> ExitCode:
    """As `plan_exit_code`."""
    blocking = blocking_gates(gates)
    if blocking:
        names = ", ".join(sorted({gate.name.value for gate in blocking}))
        say(f"this plan will not be applied: blocking gates: {names}")
        return ExitCode.REFUSED
    return ExitCode.PENDING if is_pending else ExitCode.SUCCESS
