"""The store itself, and how much it, a study or a series holds.

64-bit numbers are strings, as in all of the API.
"""

from __future__ import annotations

from aiohttp import web

from reconciler.emulator.call import Call, Service, json_body
from reconciler.emulator.http.answer import ApiError, Response, json_answer
from reconciler.emulator.storage.index import Size
from reconciler.model.address import StoreAddress


async def get_store(call: Call) -> Response:
    """Answer the DicomStore."""
    return json_answer({"name": str(call.path.store)})


async def test_permissions(
    request: web.BaseRequest, service: Service, store: StoreAddress
) -> Response:
    """Answer which of the permissions asked for the caller has; none on a missing store."""
    asked = (await json_body(request)).get("permissions", [])
    if not isinstance(asked, list):
        raise ApiError(400, "Invalid value at 'permissions'.")
    exists = service.storage.catalogue.number(store) is not None
    held = [name for name in asked if exists and name in service.settings.permissions]
    return json_answer({"permissions": held} if held else {})


async def store_metrics(call: Call) -> Response:
    """Answer the DicomStoreMetrics."""
    size = _size(call)
    counts = {"studyCount": str(size.studies), "seriesCount": str(size.series)}
    return json_answer({"name": str(call.path.store)} | counts | _stored(size))


async def study_metrics(call: Call) -> Response:
    """Answer the StudyMetrics."""
    size = _size(call)
    (study,) = call.path.uids
    name = f"{call.path.store}/dicomWeb/studies/{study}"
    return json_answer({"study": name, "seriesCount": str(size.series)} | _stored(size))


async def series_metrics(call: Call) -> Response:
    """Answer the SeriesMetrics."""
    size = _size(call)
    study, series = call.path.uids
    name = f"{call.path.store}/dicomWeb/studies/{study}/series/{series}"
    return json_answer({"series": name} | _stored(size))


def _size(call: Call) -> Size:
    if call.path.uids:
        call.instances()  # only a store may be empty
    return call.service.storage.index.size(call.store, call.path.uids)


def _stored(size: Size) -> dict[str, str]:
    return {
        "instanceCount": str(size.instances),
        "blobStorageSizeBytes": str(size.blobs),
        "structuredStorageSizeBytes": str(size.structured),
    }
