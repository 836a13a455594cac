"""What a method of the API gets to do its work."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from aiohttp import web

from reconciler.emulator.answer import Answer, ApiError
from reconciler.emulator.fault_injector import FaultInjector
from reconciler.emulator.index import StoredInstance
from reconciler.emulator.resource_path import StorePath
from reconciler.emulator.settings import EmulatorSettings
from reconciler.emulator.storage import Storage


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
        """The query's parameters in their order."""
        query = self.request.raw_path.partition("?")[2]
        return parse_qsl(query, keep_blank_values=True)

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


Method = Callable[[Call], Awaitable[Answer]]
