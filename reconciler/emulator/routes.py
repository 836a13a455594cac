"""Which method of the API a request calls, and what it needs before it may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import web

from reconciler.emulator.call import Call, Method, Service
from reconciler.emulator.http.answer import ApiError, Response
from reconciler.emulator.http.resource_path import DatasetPath, StorePath, dataset_of, parse_path
from reconciler.emulator.http.sending import in_one_piece
from reconciler.emulator.resources.bulk_data import retrieve_bulk_data
from reconciler.emulator.resources.dataset import answer_dataset, check_dataset, check_permission
from reconciler.emulator.resources.deletion import delete_below, delete_instance
from reconciler.emulator.resources.frames import retrieve_frames
from reconciler.emulator.resources.rendering import retrieve_rendered
from reconciler.emulator.resources.search import search_instances, search_series, search_studies
from reconciler.emulator.resources.store import get_store, metrics, test_permissions
from reconciler.emulator.resources.stow import store
from reconciler.emulator.resources.wado import retrieve, retrieve_metadata, storage_info
from reconciler.emulator.settings import Permission


class Route(NamedTuple):
    """A method of the API, and the permission that it needs."""

    method: Method
    permission: Permission


_READ = Permission.READ
_STUDY = "/dicomWeb/studies/*"
_SERIES = f"{_STUDY}/series/*"
_INSTANCE = f"{_SERIES}/instances/*"

_ROUTES: Mapping[str, Mapping[str, Route]] = {
    "": {"GET": Route(get_store, Permission.GET_STORE)},
    ":getDICOMStoreMetrics": {"GET": Route(metrics, Permission.GET_STORE)},
    _STUDY: {
        "GET": Route(retrieve, _READ),
        "DELETE": Route(delete_below, Permission.DELETE),
        "POST": Route(store, Permission.WRITE),
    },
    _SERIES: {
        "GET": Route(retrieve, _READ),
        "DELETE": Route(delete_below, Permission.DELETE),
    },
    _INSTANCE: {
        "GET": Route(retrieve, _READ),
        "DELETE": Route(delete_instance, Permission.DELETE),
    },
    f"{_INSTANCE}/rendered": {"GET": Route(retrieve_rendered, _READ)},
    f"{_INSTANCE}/frames/*": {"GET": Route(retrieve_frames, _READ)},
    f"{_INSTANCE}/frames/*/rendered": {"GET": Route(retrieve_rendered, _READ)},
    f"{_INSTANCE}/bulkdata/*": {"GET": Route(retrieve_bulk_data, _READ)},
    "/dicomWeb/studies": {
        "GET": Route(search_studies, _READ),
        "POST": Route(store, Permission.WRITE),
    },
    "/dicomWeb/series": {"GET": Route(search_series, _READ)},
    "/dicomWeb/instances": {"GET": Route(search_instances, _READ)},
    f"{_STUDY}/series": {"GET": Route(search_series, _READ)},
    f"{_STUDY}/instances": {"GET": Route(search_instances, _READ)},
    f"{_SERIES}/instances": {"GET": Route(search_instances, _READ)},
    f"{_STUDY}/metadata": {"GET": Route(retrieve_metadata, _READ)},
    f"{_SERIES}/metadata": {"GET": Route(retrieve_metadata, _READ)},
    f"{_INSTANCE}/metadata": {"GET": Route(retrieve_metadata, _READ)},
    f"{_STUDY}:getStudyMetrics": {"GET": Route(metrics, _READ)},
    f"{_SERIES}:getSeriesMetrics": {"GET": Route(metrics, _READ)},
    f"{_INSTANCE}:getStorageInfo": {"GET": Route(storage_info, _READ)},
}


async def answer_api(request: web.BaseRequest, service: Service) -> Response:
    """Answer a request below ``/v1/``.

    Raises:
        ApiError: the request is answered with an error.
    """
    path = parse_path(request.raw_path)
    if isinstance(path, DatasetPath):
        return await answer_dataset(request, service, path)
    if path.shape == ":testIamPermissions" and request.method == "POST":
        return await test_permissions(request, service, path.store)
    number = _store_number(service, path)
    route = _route(request.method, path.shape)
    check_permission(service, route.permission)
    return await in_one_piece(await route.method(Call(request, service, path, number)))


def _route(method: str, shape: str) -> Route:
    methods = _ROUTES.get(shape)
    if methods is None:
        raise ApiError(404, "The requested URL was not found on this server.")
    if method not in methods:
        raise ApiError(405, "The request method is not allowed on this resource.")
    return methods[method]


def _store_number(service: Service, path: StorePath) -> int:
    number = service.storage.catalogue.number(path.store)
    if number is None:
        check_dataset(service, dataset_of(path.store))
        raise ApiError(404, f"DICOM store {str(path.store)!r} was not found.")
    return number
