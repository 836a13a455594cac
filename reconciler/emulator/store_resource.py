"""The store itself: get, testIamPermissions, getDICOMStoreMetrics."""

from __future__ import annotations

from aiohttp import web

from reconciler.emulator.answer import Answer, ApiError, json_answer
from reconciler.emulator.call import Call, Service, json_body
from reconciler.model.address import StoreAddress


async def get_store(call: Call) -> Answer:
    """Answer the DicomStore."""
    return json_answer({"name": str(call.path.store)})


async def get_metrics(call: Call) -> Answer:
    """Answer the DicomStoreMetrics; 64-bit numbers are strings, as in all of the API's JSON."""
    size = call.service.storage.index.size(call.store)
    return json_answer(
        {
            "name": str(call.path.store),
            "studyCount": str(size.studies),
            "seriesCount": str(size.series),
            "instanceCount": str(size.instances),
            "blobStorageSizeBytes": str(size.bytes),
        }
    )


async def test_permissions(
    request: web.BaseRequest, service: Service, store: StoreAddress
) -> Answer:
    """Answer which of the permissions asked for the caller has; none on a missing store."""
    asked = (await json_body(request)).get("permissions", [])
    if not isinstance(asked, list):
        raise ApiError(400, "Invalid value at 'permissions'.")
    exists = service.storage.catalogue.number(store) is not None
    held = [name for name in asked if exists and name in service.settings.permissions]
    return json_answer({"permissions": held} if held else {})
