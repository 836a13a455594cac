"""What lies directly in a dataset: its operations, and the creation and listing of stores."""

from __future__ import annotations

from urllib.parse import parse_qs

from aiohttp import web

from reconciler.emulator.call import Service
from reconciler.emulator.http.answer import ApiError, Response, json_answer
from reconciler.emulator.http.resource_path import DatasetPath
from reconciler.emulator.settings import Permission
from reconciler.model.address import StoreAddress


async def answer_dataset(request: web.BaseRequest, service: Service, path: DatasetPath) -> Response:
    """Answer operations.get, dicomStores.create and dicomStores.list.

    Raises:
        ApiError: there is no such dataset, operation or method.
    """
    match request.method, path.collection, path.identifier:
        case "POST", "dicomStores", "":
            return _create_store(request, service, path.dataset)
        case "GET", "dicomStores", "":
            check_dataset(service, path.dataset)
            names = service.storage.catalogue.stores_in(path.dataset)
            return json_answer({"dicomStores": [{"name": name} for name in names]})
        case "GET", "operations", number if number:
            check_dataset(service, path.dataset)
            return _operation(service, path.dataset, number)
        case _:
            raise ApiError(404, "The requested URL was not found on this server.")


def check_dataset(service: Service, dataset: str) -> None:
    """Raise `ApiError` 403, as the service does, unless a store lies in the dataset."""
    if not service.storage.catalogue.has_dataset(dataset):
        raise ApiError(
            403, f"Permission denied on dataset {dataset!r} (or it may be malformed or not exist)."
        )


def check_permission(service: Service, permission: Permission) -> None:
    """Raise `ApiError` 403 unless the caller has the permission."""
    if permission.value not in service.settings.permissions:
        raise ApiError(403, f"Permission {permission.value!r} denied (or it may not exist).")


def _create_store(request: web.BaseRequest, service: Service, dataset: str) -> Response:
    check_permission(service, Permission.CREATE_STORE)
    identifier = parse_qs(request.query_string).get("dicomStoreId", [""])[0]
    try:
        store = StoreAddress.parse(f"{dataset}/dicomStores/{identifier}")
    except ValueError as error:
        raise ApiError(400, f"Invalid DICOM store id {identifier!r}.") from error
    if not service.storage.catalogue.add_store(store):
        raise ApiError(409, f"DICOM store {str(store)!r} already exists.")
    return json_answer({"name": str(store)}, changed=True)


def _operation(service: Service, dataset: str, number: str) -> Response:
    if not service.storage.catalogue.has_operation(dataset, number):
        raise ApiError(404, f"Operation {number!r} was not found.")
    response = {"@type": "type.googleapis.com/google.protobuf.Empty"}
    return json_answer(
        {"name": f"{dataset}/operations/{number}", "done": True, "response": response}
    )
