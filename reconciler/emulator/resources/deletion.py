"""DELETE of an instance, and of a series or study, which answers a long-running operation."""

from __future__ import annotations

from reconciler.emulator.call import Call
from reconciler.emulator.http.answer import Response, json_answer
from reconciler.emulator.http.resource_path import dataset_of


async def delete_instance(call: Call) -> Response:
    """Delete one instance."""
    _delete_all(call)
    return json_answer({}, changed=True)


async def delete_below(call: Call) -> Response:
    """Delete a whole series or study; the operation that is named is already done."""
    _delete_all(call)
    operation = call.service.storage.catalogue.add_operation(dataset_of(call.path.store))
    return json_answer({"name": operation}, changed=True)


def _delete_all(call: Call) -> None:
    service = call.service
    lag = service.injector.faults.search_lag
    service.storage.remove(call.store, call.instances(), search_lag=lag)
