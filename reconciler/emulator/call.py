"""What a method of the API gets to do its work."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from reconciler.emulator.faulty.fault_injector import FaultInjector
from reconciler.emulator.http.answer import DICOM_JSON, ApiError, Response
from reconciler.emulator.http.resource_path import StorePath
from reconciler.emulator.settings import EmulatorSettings
from reconciler.emulator.storage.index import StoredInstance
from reconciler.emulator.storage.store import Storage

_SYSTEM_PARAMETERS = {"alt", "fields", "key", "prettyPrint", "quotaUser"}
"""Parameters that every method of the API takes; they change nothing here."""


@dataclass(frozen=True, slots=True)
class Service:
    """What all requests share."""

    settings: EmulatorSettings
    storage: Storage
    injector: FaultInjector


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a store; ``store`` is the store's number."""

    request: web.BaseRequest
    service: Service
    path: StorePath
    store: int

    @property
    def accept(self) -> str:
        """The Accept header as one line; ``*/*`` when there is none."""
        return ", ".join(self.request.headers.getall("Accept", ())) or "*/*"

    def query(self) -> list[tuple[str, str]]:
        """The query's parameters in their order, without those that every method takes."""
        query = self.request.raw_path.partition("?")[2]
        pairs = parse_qsl(query, keep_blank_values=True)
        return [(name, value) for name, value in pairs if name not in _SYSTEM_PARAMETERS]

    def datasets(self, texts: Iterable[str]) -> Response:
        """An answer of datasets in the DICOM JSON Model (PS3.18 annex F), with absolute URIs."""
        body = f"[{','.join(texts)}]".encode()
        origin = f"{self.request.scheme}://{self._authority()}"
        # In the value of an attribute the quotes would be escaped.
        body = body.replace(b'"BulkDataURI":"/', f'"BulkDataURI":"{origin}/'.encode())
        return Response(200, DICOM_JSON, (body,))

    def _authority(self) -> str:
        """The Host header; with the port of the socket where the client left it out."""
        host = self.request.host
        if urlsplit(f"//{host}").port is not None or self.request.transport is None:
            return host
        return f"{host}:{self.request.transport.get_extra_info('sockname')[1]}"

    def only_instance(self) -> StoredInstance:
        """The one instance that the path addresses.

        Raises:
            ApiError: 404 if there is none.
        """
        (instance,) = self.instances()
        return instance

    def file(self, instance: StoredInstance) -> Path:
        """The file of an instance of the store."""
        return self.service.storage.files.path(self.store, instance.address)

    def instances(self) -> list[StoredInstance]:
        """The instances that the path addresses.

        Raises:
            ApiError: 404 if there is none.
        """
        found = self.service.storage.index.below(self.store, self.path.uids)
        if not found:
            raise ApiError(404, "The requested DICOM resource was not found.")
        return found


async def json_body(request: web.BaseRequest) -> dict[str, object]:
    """The JSON object in a request's body; an empty body is an empty object.

    Raises:
        ApiError: 400 if it is none.
    """
    try:
        document = json.loads(await request.read() or b"{}")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ApiError(400, "Invalid JSON payload received.")
    return document


Method = Callable[[Call], Awaitable[Response]]
