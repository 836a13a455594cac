"""Clients that delete and prove, instance by instance, as `reconciler apply` does, and no more.

    python benchmarks/rig/deleters.py CLIENT ORIGIN --instances N --parallelism P --journal FILE

Each instance costs a line that is synced to the disk, a DELETE, and a probe that must find nothing.
There are no checks, no repetition, no resume: what a client costs beyond this is what it gives.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from rig.memory_store import STORE, Layout

from reconciler.live.workers import run_workers

Ask = Callable[[str, tuple[str, str, str]], int]
"""Sends a request with this verb for an instance, by its three UIDs; the status."""

_ACCEPT = "application/dicom+json"


def with_urllib3(origin: str, parallelism: int, bundle: str | None) -> Ask:
    """A bare pool of connections, shared by the threads."""
    import urllib3  # noqa: PLC0415 - only this client pays

    context = ssl.create_default_context(cafile=bundle) if bundle else None
    pool = urllib3.PoolManager(maxsize=parallelism, ssl_context=context)

    def ask(method: str, address: tuple[str, str, str]) -> int:
        url = _url(origin, method, address)
        return pool.request(method, url, headers={"Accept": _ACCEPT}, retries=False).status

    return ask


def with_pycurl(origin: str, _parallelism: int, bundle: str | None) -> Ask:
    """libcurl, one handle for each thread."""
    import pycurl  # noqa: PLC0415 - only this client pays

    handles = threading.local()

    def handle() -> Any:
        if not hasattr(handles, "curl"):
            handles.curl = pycurl.Curl()
            handles.curl.setopt(pycurl.HTTPHEADER, [f"Accept: {_ACCEPT}"])
            handles.curl.setopt(pycurl.WRITEFUNCTION, len)
            if bundle:
                handles.curl.setopt(pycurl.CAINFO, bundle)
        return handles.curl

    def ask(method: str, address: tuple[str, str, str]) -> int:
        curl = handle()
        curl.setopt(pycurl.URL, _url(origin, method, address))
        curl.setopt(pycurl.CUSTOMREQUEST, method)
        curl.perform()
        return int(curl.getinfo(pycurl.RESPONSE_CODE))

    return ask


def with_dicomweb_client(origin: str, parallelism: int, _bundle: str | None) -> Ask:
    """The field's own client, shared by the threads, with a pool that is large enough."""
    from dicomweb_client import DICOMwebClient  # noqa: PLC0415 - only this client pays
    from requests import HTTPError, Session  # noqa: PLC0415 - only this client pays
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - only this client pays

    session = Session()
    session.mount(origin, HTTPAdapter(pool_maxsize=parallelism))
    client = DICOMwebClient(url=f"{origin}/v1/{STORE}/dicomWeb", session=session)

    def ask(method: str, address: tuple[str, str, str]) -> int:
        try:
            if method == "DELETE":
                client.delete_instance(*address)
            else:
                client.retrieve_instance_metadata(*address)
        except HTTPError as error:
            return int(error.response.status_code)
        return 200

    return ask


def _url(origin: str, method: str, address: tuple[str, str, str]) -> str:
    study, series, instance = address
    path = f"/v1/{STORE}/dicomWeb/studies/{study}/series/{series}/instances/{instance}"
    return f"{origin}{path}{'' if method == 'DELETE' else '/metadata'}"


DELETERS = {
    "urllib3": with_urllib3,
    "pycurl": with_pycurl,
    "dicomweb-client": with_dicomweb_client,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("client", choices=DELETERS)
    parser.add_argument("origin")
    parser.add_argument("--instances", type=int, required=True)
    parser.add_argument("--parallelism", type=int, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    options = parser.parse_args()
    bundle = os.environ.get("REQUESTS_CA_BUNDLE")
    ask = DELETERS[options.client](options.origin, options.parallelism, bundle)
    journal = os.open(options.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def delete(address: tuple[str, str, str]) -> None:
        os.write(journal, json.dumps({"delete": address}).encode() + b"\n")
        os.fsync(journal)
        if (ask("DELETE", address), ask("GET", address)) != (200, 404):
            raise SystemExit(f"{address} was not deleted")

    layout = Layout(options.instances)
    run_workers(layout.addresses(), delete, parallelism=options.parallelism)


if __name__ == "__main__":
    main()
