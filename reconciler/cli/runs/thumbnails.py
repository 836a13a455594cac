"""Fetch an image for each series of a plan: the one thing for which ``show`` goes online."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice

from reconciler.api.service import connect, endpoint_of, provider_of
from reconciler.cli import environment
from reconciler.cli.output.console import say
from reconciler.cli.output.progress import progress
from reconciler.cli.runs.query_record import recorded_query
from reconciler.journal.state import State
from reconciler.live.thumbnails import fetch_thumbnails
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.plan import Plan, SavedPlan
from reconciler.model.thumbnail import MOST_THUMBNAILS, Thumbnails
from reconciler.planning.acceptance import require_endpoint
from reconciler.reporting.wording import plural

_TRIES = 3
"""Instances of a series: a report among its images has none, and neither may its siblings."""


def plan_thumbnails(saved: SavedPlan, access: environment.Access, state: State) -> Thumbnails:
    """An instance to delete of each series, rendered by the store; some may be missing.

    Each leaves a line in the record, as whatever reads image bytes.

    Raises:
        EndpointError: the plan was made for another endpoint.
        LiveError: the store cannot be asked.
    """
    say("warning: the page will hold images of patients; keep it as you keep the images themselves")
    wanted = list(islice(_candidates(saved.plan), MOST_THUMBNAILS))
    stores = tuple(dict.fromkeys(store for store, _ in wanted))
    provider = provider_of(stores)
    service = environment.service(access, provider)
    endpoint = endpoint_of(service, provider)
    require_endpoint(saved, str(endpoint))
    with (
        connect(service, provider, read_only=True) as connection,
        recorded_query(stores, state, reads=bool(wanted)) as record,
    ):
        opened = {store: connection.store(store) for store in stores}
        for live in opened.values():
            live.preflight(deleting=False)
        if wanted:
            record.begin(str(endpoint), connection.principal)
        found = {}
        fetched = fetch_thumbnails(
            ((opened[store], instances) for store, instances in wanted),
            parallelism=access.parallelism,
        )
        with progress("fetching images") as counter:
            for number, ((store, _), attempts) in enumerate(zip(wanted, fetched, strict=True)):
                counter.update(number, len(wanted))
                for instance, thumbnail in attempts:
                    record.read(store, instance, thumbnail.problem)
                    found[store, instance.series] = thumbnail
    say(_summary(found, sum(1 for _ in _candidates(saved.plan)) - len(found)))
    return found


def _candidates(plan: Plan) -> Iterator[tuple[StoreAddress, tuple[InstanceAddress, ...]]]:
    """The instances of each series that are asked for, until one has an image."""
    for store in plan.stores:
        for study in store.studies:
            for series in study.series:
                uids = islice(chain.from_iterable(one.instances for one in series.groups), _TRIES)
                yield (
                    store.store,
                    tuple(InstanceAddress(study.study_uid, series.series_uid, uid) for uid in uids),
                )


def _summary(found: Thumbnails, beyond: int) -> str:
    """One line: how many images there are, why the others are missing, and what was left out."""
    problems = Counter(one.problem for one in found.values() if one.problem)
    reasons = ", ".join(f"{problem}: {count:,}" for problem, count in problems.most_common())
    return (
        f"{plural(len(found) - problems.total(), 'image')} fetched,"
        f" {problems.total():,} missing{f' ({reasons})' if reasons else ''},"
        f" {plural(beyond, 'series')} beyond the first {MOST_THUMBNAILS}"
    )
