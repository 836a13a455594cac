"""Whether a store of the Healthcare API answers, and whether the caller may do what follows."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import NoReturn

from reconciler.errors import CredentialsError, PreflightError
from reconciler.live.dicomweb.absence import names_missing
from reconciler.live.dicomweb.probe_reply import describe
from reconciler.live.http.answer import Answer
from reconciler.live.http.bodies import is_json, parse_json
from reconciler.live.http.channel import RequestKind
from reconciler.live.http.transport import Call, Transport
from reconciler.model.address import StoreAddress

READ = "healthcare.dicomStores.dicomWebRead"
DELETE = "healthcare.dicomStores.dicomWebDelete"
WRITE = "healthcare.dicomStores.dicomWebWrite"


def check(
    transport: Transport, address: StoreAddress, path: str, *, deleting: bool, storing: bool
) -> None:
    """Ask for the store, then for the permissions.

    The order matters: testIamPermissions answers with an empty set, and not with 404, for a
    store that does not exist.

    Raises:
        PreflightError: there is no such store, or a permission is missing.
        CredentialsError: the service does not accept the credentials.
    """
    _asked(transport, address, Call(RequestKind.PREFLIGHT, path))
    wanted = [READ, *[DELETE] * deleting, *[WRITE] * storing]
    question = json.dumps({"permissions": wanted}).encode()
    reply = _asked(
        transport,
        address,
        Call(RequestKind.PREFLIGHT, f"{path}:testIamPermissions", body=question),
    )
    granted = reply.get("permissions")
    missing = [name for name in wanted if not isinstance(granted, list) or name not in granted]
    if missing:
        raise PreflightError(
            f"the caller lacks {' and '.join(missing)} on {address}",
            hint="roles/healthcare.dicomViewer suffices for plan; apply needs dicomWebRead and"
            " dicomWebDelete, restore dicomWebRead and dicomWebWrite, as in"
            " roles/healthcare.dicomEditor (dicomStoreAdmin cannot read)",
        )


def _asked(transport: Transport, address: StoreAddress, call: Call) -> dict[str, object]:
    """The members of the JSON object that the service answers with."""
    answer = transport.preflight(call)
    members = parse_json(answer.body) if is_json(answer.content_type) else None
    if answer.status != HTTPStatus.OK or not isinstance(members, dict):
        _refuse(transport, address, answer)
    return members


def _refuse(transport: Transport, address: StoreAddress, answer: Answer) -> NoReturn:
    if answer.status == HTTPStatus.UNAUTHORIZED:
        raise CredentialsError(
            f"{transport.origin} does not accept the credentials",
            hint="run `gcloud auth application-default login`, or name a credentials file in"
            " GOOGLE_APPLICATION_CREDENTIALS",
        )
    if names_missing(answer):
        raise PreflightError(
            f"there is no DICOM store {address}",
            hint="check dicomStoresId first, then the other three parameters, then the endpoint",
        )
    if answer.status == HTTPStatus.FORBIDDEN:
        raise PreflightError(
            f"the caller may not see {address}, or its dataset does not exist",
            hint="check projectsId, locationsId and datasetsId, then grant"
            " healthcare.dicomStores.get, as in roles/healthcare.dicomViewer",
        )
    raise PreflightError(
        f"{address} cannot be used: {transport.origin} answered {describe(answer)}",
        hint="is this the endpoint of the Healthcare API, and is no proxy in between?",
    )
