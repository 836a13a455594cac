"""How much a store, a study or a series holds; 64-bit numbers are strings, as in all of the API."""

from __future__ import annotations

from reconciler.emulator.call import Call
from reconciler.emulator.http.answer import Response, json_answer
from reconciler.emulator.storage.index import Size


async def store_metrics(call: Call) -> Response:
    """Response the DicomStoreMetrics."""
    size = _size(call)
    counts = {"studyCount": str(size.studies), "seriesCount": str(size.series)}
    return json_answer({"name": str(call.path.store)} | counts | _stored(size))


async def study_metrics(call: Call) -> Response:
    """Response the StudyMetrics."""
    size = _size(call)
    (study,) = call.path.uids
    name = f"{call.path.store}/dicomWeb/studies/{study}"
    return json_answer({"study": name, "seriesCount": str(size.series)} | _stored(size))


async def series_metrics(call: Call) -> Response:
    """Response the SeriesMetrics."""
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
