"""The store itself: get and testIamPermissions."""

from __future__ import annotations

from aiohttp import web

from reconciler.emulator.call import Call, Service, json_body
from reconciler.emulator.http.answer import ApiError, Response, json_answer
from reconciler.model.address import StoreAddress


async def get_store(call: Call) -> Response:
    """Response the DicomStore."""
    return json_answer({"name": str(call.path.store)})


async def test_permissions(
    request: web.BaseRequest, service: Service, store: StoreAddress
) -> Response:
    """Response which of the permissions asked for the caller has; none on a missing store."""
    asked = (await json_body(request)).get("permissions", [])
    if not isinstance(asked, list):
        raise ApiError(400, "Invalid value at 'permissions'.")
    exists = service.storage.catalogue.number(store) is not None
    held = [name for name in asked if exists and name in service.settings.permissions]
    return json_answer({"permissions": held} if held else {})
