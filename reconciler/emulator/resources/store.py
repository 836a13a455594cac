"""The store itself, and how much it, a study or a series holds.

64-bit numbers are strings, as in all of the API.
"""

from __future__ import annotations

from aiohttp import web

from reconciler.emulator.call import Call, Service, json_body
from reconciler.emulator.http.answer import ApiError, Response, json_answer
from reconciler.model.address import SeriesAddress, StoreAddress


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


async def metrics(call: Call) -> Response:
    """Answer the DicomStoreMetrics, StudyMetrics or SeriesMetrics, by what the path addresses."""
    if call.path.uids:
        call.instances()  # only a store may be empty
    size = call.service.storage.index.size(call.store, call.path.uids)
    series = {"seriesCount": str(size.series)}
    match call.path.uids:
        case (study_uid, series_uid):
            name = f"{call.path.store}/dicomWeb{SeriesAddress(study_uid, series_uid)}"
            about = {"series": name}
        case (study_uid,):
            about = {"study": f"{call.path.store}/dicomWeb/studies/{study_uid}"} | series
        case _:
            about = {"name": str(call.path.store), "studyCount": str(size.studies)} | series
    stored = {
        "instanceCount": str(size.instances),
        "blobStorageSizeBytes": str(size.blobs),
        "structuredStorageSizeBytes": str(size.structured),
    }
    return json_answer(about | stored)
