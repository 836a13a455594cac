"""Clients that probe instances and delete them, one by one, from many threads.

    python benchmarks/rig/clients.py CLIENT ORIGIN --instances N --parallelism P [--delete]

Run as a process of its own it prints what the work cost: wall seconds and CPU seconds, connects
included, imports not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from rig.memory_store import STORE, Layout

from reconciler.live.connection import Connection, ConnectionSettings
from reconciler.live.http.endpoint import parse_endpoint
from reconciler.live.workers import run_workers
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import Presence
from reconciler.model.reply import ReplyKind

Ask = Callable[[tuple[str, str, str]], None]
"""Does its part for one instance, by its three UIDs."""


def with_reconciler(origin: str, parallelism: int, *, delete: bool) -> Ask:
    """What plan and apply use, with its guards, counters and request ids."""
    numbers = itertools.count(1)
    settings = ConnectionSettings(
        parse_endpoint(origin),
        read_only=not delete,
        parallelism=parallelism,
        ca_bundle=os.environ.get("REQUESTS_CA_BUNDLE"),
    )
    connection = Connection(
        settings,
        now=lambda: datetime.now(UTC),
        random_source=random.Random(0),
        request_ids=lambda: f"bench-{next(numbers)}",
        stop=threading.Event(),
    )
    store = connection.store(StoreAddress.parse(STORE))

    def ask(address: tuple[str, str, str]) -> None:
        instance = InstanceAddress(*address)
        if store.probe(instance).presence is not Presence.PRESENT:
            raise SystemExit(f"{instance} is not there")
        if delete and store.delete(instance).kind is not ReplyKind.ACCEPTED:
            raise SystemExit(f"{instance} was not deleted")

    return ask


def with_session(origin: str, parallelism: int, *, delete: bool) -> Ask:
    """A plain `requests` session, as most scripts have it, with a pool that is large enough."""
    import requests  # noqa: PLC0415 - only this client pays
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - only this client pays

    session = requests.Session()
    session.mount(origin, HTTPAdapter(pool_maxsize=parallelism))

    def ask(address: tuple[str, str, str]) -> None:
        url = _url(origin, address)
        session.get(
            f"{url}/metadata", headers={"Accept": "application/dicom+json"}, timeout=60
        ).raise_for_status()
        if delete:
            session.delete(url, timeout=60).raise_for_status()

    return ask


def with_dicomweb_client(origin: str, parallelism: int, *, delete: bool) -> Ask:
    """The field's own client, shared by the threads, with a pool that is large enough."""
    from dicomweb_client import DICOMwebClient  # noqa: PLC0415 - only this client pays
    from requests import Session  # noqa: PLC0415 - only this client pays
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - only this client pays

    session = Session()
    session.mount(origin, HTTPAdapter(pool_maxsize=parallelism))
    client = DICOMwebClient(url=f"{origin}/v1/{STORE}/dicomWeb", session=session)

    def ask(address: tuple[str, str, str]) -> None:
        client.retrieve_instance_metadata(*address)
        if delete:
            client.delete_instance(*address)

    return ask


def _url(origin: str, address: tuple[str, str, str]) -> str:
    study, series, instance = address
    return f"{origin}/v1/{STORE}/dicomWeb/studies/{study}/series/{series}/instances/{instance}"


CLIENTS = {
    "reconciler": with_reconciler,
    "Session": with_session,
    "dicomweb-client": with_dicomweb_client,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("origin")
    parser.add_argument("--instances", type=int, required=True)
    parser.add_argument("--parallelism", type=int, required=True)
    parser.add_argument("--delete", action="store_true")
    options = parser.parse_args()
    CLIENTS[options.client]("http://127.0.0.1:1", 1, delete=False)  # imports
    wall, cpu = time.perf_counter(), time.process_time()
    ask = CLIENTS[options.client](options.origin, options.parallelism, delete=options.delete)
    run_workers(Layout(options.instances).addresses(), ask, parallelism=options.parallelism)
    print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]))


if __name__ == "__main__":
    main()
