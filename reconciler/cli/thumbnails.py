"""Fetch an image for each series of a plan: the one thing for which ``show`` goes online."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from reconciler.cli import environment
from reconciler.cli.console import say
from reconciler.cli.query_record import recorded_query
from reconciler.live.thumbnails import fetch_thumbnails
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.plan import Plan, SavedPlan
from reconciler.model.thumbnail import MOST_THUMBNAILS, Thumbnails
from reconciler.planning.acceptance import require_endpoint
from reconciler.reporting.wording import plural


@dataclass(frozen=True, slots=True)
class ThumbnailOptions:
    """How the store is reached, and where the record is."""

    endpoint: str | None
    parallelism: int
    max_qps: float | None
    state: Path


def plan_thumbnails(saved: SavedPlan, options: ThumbnailOptions) -> Thumbnails:
    """The first instance to delete of each series, rendered by the store; some may be missing.

    Each leaves a line in the record, as whatever reads image bytes.

    Raises:
        EndpointError: the plan was made for another endpoint.
        LiveError: the store cannot be asked.
    """
    say("warning: the page will hold images of patients; keep it as you keep the images themselves")
    wanted = list(islice(_firsts(saved.plan), MOST_THUMBNAILS))
    stores = tuple(dict.fromkeys(store for store, _ in wanted))
    provider = environment.provider_of(stores)
    endpoint = environment.endpoint(options.endpoint, provider)
    require_endpoint(saved, str(endpoint))
    with (
        environment.connect(
            endpoint,
            provider=provider,
            read_only=True,
            parallelism=options.parallelism,
            max_qps=options.max_qps,
            stop=threading.Event(),
        ) as connection,
        recorded_query(stores, options.state, reads=bool(wanted)) as record,
    ):
        opened = {store: connection.store(store) for store in stores}
        for live in opened.values():
            live.preflight(deleting=False)
        if wanted:
            record.begin(str(endpoint), connection.principal)
        found = {}
        fetched = fetch_thumbnails(
            ((opened[store], instance) for store, instance in wanted),
            parallelism=options.parallelism,
        )
        for (store, instance), thumbnail in zip(wanted, fetched, strict=True):
            record.read(store, instance, thumbnail.problem)
            found[store, instance.series] = thumbnail
    missing = sum(bool(one.problem) for one in found.values())
    beyond = sum(1 for _ in _firsts(saved.plan)) - len(found)
    say(
        f"{plural(len(found) - missing, 'image')} fetched, {missing:,} not to be had,"
        f" {plural(beyond, 'series')} beyond the first {MOST_THUMBNAILS}"
    )
    return found


def _firsts(plan: Plan) -> Iterator[tuple[StoreAddress, InstanceAddress]]:
    for store in plan.stores:
        for study in store.studies:
            for series in study.series:
                uid = next(iter(next(iter(series.groups)).instances))
                yield store.store, InstanceAddress(study.study_uid, series.series_uid, uid)
