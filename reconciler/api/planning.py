"""From the desired state to a plan: look, compare, leave a record of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reconciler import __version__
from reconciler.api import machine, showing
from reconciler.api.archives import require_archives_outside
from reconciler.api.arguments import require_types
from reconciler.api.listener import SILENT, Listener
from reconciler.api.loading import read_history, read_plan_in_any_form
from reconciler.api.other_services import note_other_services
from reconciler.api.project import Project
from reconciler.api.recording import record_plan
from reconciler.api.service import Service, connect, endpoint_of, provider_of
from reconciler.api.unfinished import note_unfinished
from reconciler.errors import EndpointError, JournalError
from reconciler.journal.earlier_plans import overridden_before
from reconciler.journal.history import StoreHistory
from reconciler.journal.state import State
from reconciler.live.connection import Connection
from reconciler.live.http.endpoint import Endpoint
from reconciler.model.address import StoreAddress
from reconciler.model.desired import DesiredState
from reconciler.model.live import LiveStore
from reconciler.model.plan import OverriddenInstances, Plan, SavedPlan
from reconciler.model.provenance import Requester
from reconciler.model.service import store_at
from reconciler.objects.path import open_path
from reconciler.planning.dangling import with_references
from reconciler.planning.holds import freed_from, overridden_by_holds
from reconciler.planning.never_seen import mark_never_seen, unrecorded_stores
from reconciler.planning.plan_file import digest_of
from reconciler.planning.planner import make_plan
from reconciler.planning.reappeared import find_reappeared
from reconciler.planning.seen import studies_seen
from reconciler.reporting.wording import traffic_line
from reconciler.survey.asking import Asking
from reconciler.survey.references import read_references
from reconciler.survey.refresh import refresh
from reconciler.survey.stages import ProbeMode

if TYPE_CHECKING:
    from reconciler.desired.parts import DesiredParts

MAX_AGE = timedelta(hours=24)


def plan(
    desired: DesiredState,
    project: Project,
    service: Service,
    *,
    max_age: timedelta = MAX_AGE,
    probe: Literal["auto", "retrieve"] = "auto",
    requester: Requester | None = None,
    listener: Listener = SILENT,
) -> showing.Plan:
    """Make a plan and record it; never sends anything that changes a store.

    A plan with a blocking gate, or an incomplete one, is returned too; `apply` refuses it.

    Args:
        desired: What `load` has read.
        project: The project of the files and the record.
        service: How to reach the stores.
        max_age: How long the plan may be applied; 24 hours by default.
        probe: How to probe: by listings where they suffice and need fewer requests, or each
            instance by a retrieve.
        requester: Who requested it, for the record.
        listener: Receives progress and notes.

    Raises:
        UsageError: the project was opened with ``only_reads``.
        LiveError: a store cannot be reached.
        JournalError: the state cannot be read.

    Example:
        >>> project = reconciler.Project.open(folder)
        >>> saved = reconciler.plan(reconciler.load(project=project), project, service)
        >>> saved.plan.has_deletions, saved.digest.partition(":")[0]
        (True, 'sha256')
    """
    require_types(
        desired=desired, project=project, service=service, max_age=max_age, listener=listener
    )
    project.require_believed()
    provider = provider_of(store.store for store in desired.stores)
    endpoint = endpoint_of(service, provider)
    require_expected_endpoint(desired, endpoint)
    state = project.state
    history = read_history(state, listener)
    stores = [store.store for store in desired.stores]
    note_other_services(stores, str(endpoint), history.stores, listener)
    pasts = {store: history.of(store, str(endpoint)) for store in stores}
    asking = _Asking(service.parallelism, listener)
    with connect(service, provider, read_only=True) as connection:
        live = asking.look(desired, ProbeMode(probe), pasts, connection)
        made = asking.with_references(make_plan(desired, live), desired, live, connection)
        listener.note(f"sent {traffic_line(connection.traffic)}", is_last=True)
        principal = connection.principal
    planned = mark_never_seen(made, {store: past.knows for store, past in pasts.items()})
    recorded = {store for store in stores if store_at(str(endpoint), store) in history.stores}
    deletions = ((store.store, one) for store in planned.stores for one in store.deletions())
    require_archives_outside(planned, state)
    before = overridden_last_time(planned, str(endpoint), state, listener)
    created = machine.now()
    saved = showing.Plan(
        plan=planned,
        digest=digest_of(planned),
        plan_id=machine.new_plan_id(),
        created=created,
        expires=created + max_age,
        tool_version=__version__,
        endpoint=str(endpoint),
        git=project.checkout.state(planned.inputs),
        reappeared=find_reappeared(planned, history.last_words(deletions, str(endpoint))),
        unrecorded=unrecorded_stores(planned, recorded),
        freed=freed_from(planned, before),
        seen=studies_seen(planned, live),
    )
    overridden = overridden_by_holds(desired, live, before)
    record_plan(
        saved, overridden, state, principal=principal, requester=requester, listener=listener
    )
    note_unfinished(saved, state, history, listener)
    return saved


def read_plan(
    path: str | Path, *, listener: Listener = SILENT
) -> showing.Plan | showing.PlanInShards:
    """Read a plan file, as ``plan --out`` or ``show(plan, format="json")`` wrote it.

    Of a plan in shards that is its ``plan.json``, the manifest. Its shards are read when it is
    applied. ``path`` may be the URL of an object in a bucket, such as
    ``gs://imaging-plans/plan.json``.

    Raises:
        StateError: the bucket could not be asked.
        PlanFileError: it cannot be read, or is not a plan file.
        PlanRefused: it was edited, or another major version of the format wrote it.

    Example:
        >>> project = reconciler.Project.open(folder)
        >>> saved = reconciler.plan(reconciler.load(project=project), project, service)
        >>> _ = (folder / "plan.json").write_text(reconciler.show(saved, format="json"))
        >>> reconciler.read_plan(folder / "plan.json").digest == saved.digest
        True
    """
    place = open_path(path)
    found = read_plan_in_any_form(place, listener)
    if isinstance(found, SavedPlan):
        return showing.Plan.of(found)
    folder = place.parent
    return showing.PlanInShards.of(
        found, str(folder.absolute() if isinstance(folder, Path) else folder)
    )


def overridden_last_time(
    plan: Plan, endpoint: str, state: State, listener: Listener
) -> tuple[OverriddenInstances, ...]:
    """As `overridden_before`; a note where it is not known, since it is for readers alone."""
    try:
        return overridden_before(state, plan, endpoint)
    except JournalError as error:
        listener.note(f"note: whether a hold was taken out is not known: {error}")
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
                hint="set the endpoint that is right (--endpoint or RECONCILER_ENDPOINT; in Python:"
                " endpoint=)",
            )


class _Asking:
    """How the stores of one plan are asked: so many requests at a time, and who hears of it."""

    def __init__(self, parallelism: int, listener: Listener) -> None:
        self._parallelism = parallelism
        self._listener = listener

    def look(
        self,
        desired: DesiredState,
        mode: ProbeMode,
        pasts: Mapping[StoreAddress, StoreHistory],
        connection: Connection,
    ) -> dict[StoreAddress, LiveStore]:
        """Each store as it is now."""
        live = {}
        for store in desired.stores:
            title = f"looking at {store.store.dicom_store_id}"
            with self._listener.step(title, store=store.store) as update:
                live[store.store] = refresh(
                    store,
                    connection.store(store.store),
                    Asking(self._parallelism, update),
                    mode=mode,
                    was_deleted=pasts[store.store].is_gone,
                )
        return live

    def with_references(
        self,
        plan: Plan,
        desired: DesiredState,
        live: Mapping[StoreAddress, LiveStore],
        connection: Connection,
    ) -> Plan:
        """The plan, with what it leaves dangling; one that deletes nothing asks nothing."""
        stores = []
        for one, wanted in zip(plan.stores, desired.stores, strict=True):
            title = f"reading references in {one.store.dicom_store_id}"
            with self._listener.step(title, store=one.store) as update:
                seen = read_references(
                    wanted,
                    live[one.store],
                    one,
                    connection.store(one.store),
                    parallelism=self._parallelism,
                    on_progress=update,
                )
            stores.append(with_references(one, wanted, seen))
        return replace(plan, stores=tuple(stores))
