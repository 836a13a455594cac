"""SearchForStudies, SearchForSeries and SearchForInstances (QIDO-RS, PS3.18 section 10.6)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from reconciler.emulator.call import Call
from reconciler.emulator.http.answer import ApiError, Response
from reconciler.emulator.http.negotiation import accepts
from reconciler.emulator.resources.search_query import Level, SearchQuery, read_query
from reconciler.emulator.resources.search_statement import search_statement
from reconciler.emulator.storage.dicom_json import JsonDataset, json_text
from reconciler.emulator.storage.parsing import selected
from reconciler.emulator.storage.tags import (
    IMAGE_TYPE,
    INSTANCE_ROW,
    MODALITIES_IN_STUDY,
    SERIES_INSTANCE_UID,
    SERIES_RELATED_INSTANCES,
    STUDY_INSTANCE_UID,
    STUDY_RELATED_INSTANCES,
    STUDY_RELATED_SERIES,
)

_SCOPE = ("StudyInstanceUID", "SeriesInstanceUID")
_LISTED = {IMAGE_TYPE, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID}
_NO_CONTENT = Response(204)
_Row = tuple[Any, ...]


async def _search(
    call: Call, *, level: Level, make: Callable[[Call, SearchQuery, _Row], str]
) -> Response:
    if not accepts(call.accept, "application/dicom+json", "application/json"):
        raise ApiError(406, "Search results are available as application/dicom+json only.")
    scope = dict(zip(_SCOPE, call.path.uids, strict=False))
    query = read_query(level, scope, call.query())
    storage = call.service.storage
    storage.settle(search_lag=call.service.injector.faults.search_lag)
    rows = storage.index.search(*search_statement(call.store, query))
    texts = [make(call, query, row) for row in rows]
    return call.datasets(texts) if texts else _NO_CONTENT


def _study(call: Call, query: SearchQuery, row: _Row) -> str:
    text, number, instances, series, modalities = row
    counts: JsonDataset = {
        MODALITIES_IN_STUDY: _attribute("CS", *sorted(filter(None, modalities.split(",")))),
        STUDY_RELATED_SERIES: _attribute("IS", series),
        STUDY_RELATED_INSTANCES: _attribute("IS", instances),
    }
    return json_text(_included(call, query, number) | json.loads(text) | counts)


def _series(call: Call, query: SearchQuery, row: _Row) -> str:
    text, number, instances = row
    counts: JsonDataset = {SERIES_RELATED_INSTANCES: _attribute("IS", instances)}
    return json_text(_included(call, query, number) | json.loads(text) | counts)


def _instance(call: Call, query: SearchQuery, row: _Row) -> str:
    text, number, listing_row = row
    if query.include_all:
        return call.service.storage.index.metadata(number)
    further = query.include - set(INSTANCE_ROW)
    if not further:
        return str(text)
    if further == _LISTED:
        return str(listing_row)
    return json_text(_included(call, query, number) | json.loads(text))


search_studies = partial(_search, level=Level.STUDIES, make=_study)
search_series = partial(_search, level=Level.SERIES, make=_series)
search_instances = partial(_search, level=Level.INSTANCES, make=_instance)


def _included(call: Call, query: SearchQuery, number: int) -> JsonDataset:
    """What ``includefield`` asks for beyond the row, from one instance."""
    if not query.include:
        return {}
    metadata: JsonDataset = json.loads(call.service.storage.index.metadata(number))
    return selected(metadata, query.include)


def _attribute(vr: str, *values: object) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}
