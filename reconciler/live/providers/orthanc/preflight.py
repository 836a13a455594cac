"""Whether an Orthanc answers, with its DICOMweb plugin and, to change something, its own paths."""

from __future__ import annotations

from http import HTTPStatus
from typing import NoReturn

from reconciler.errors import CredentialsError, PreflightError
from reconciler.live.dicomweb.probe_reply import describe
from reconciler.live.http.answer import Answer
from reconciler.live.http.bodies import parse_json
from reconciler.live.http.channel import RequestKind
from reconciler.live.http.transport import Call, Transport

ROOT = "/dicom-web"
"""The DICOMweb plugin's default root."""

_NOBODY = "2.25.0"
"""A UID that no instance has: the search below must find nothing."""


def check(transport: Transport, *, changing: bool) -> None:
    """Search for an instance that nobody has; before a change, ask what answers there.

    Raises:
        PreflightError: it is not an Orthanc that can do this.
        CredentialsError: it does not accept the user name and password.
    """
    query = f"SOPInstanceUID={_NOBODY}&limit=1"
    search = Call(RequestKind.PREFLIGHT, f"{ROOT}/instances", query, "application/dicom+json")
    found = transport.preflight(search)
    is_empty = found.status == HTTPStatus.NO_CONTENT or parse_json(found.body) == []
    if found.status not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT} or not is_empty:
        _refuse(
            transport,
            found,
            f"does Orthanc run its DICOMweb plugin there, with the root {ROOT}/, and is no proxy"
            " in between?",
        )
    if not changing:
        return
    system = transport.preflight(Call(RequestKind.PREFLIGHT, "/system"))
    members = parse_json(system.body)
    is_system = isinstance(members, dict) and "ApiVersion" in members
    if system.status != HTTPStatus.OK or not is_system:
        _refuse(
            transport,
            system,
            "Orthanc's own paths (/system, /tools/lookup, /instances) must be reachable, besides"
            " those of DICOMweb",
        )
    if members.get("ReadOnly") is True:
        raise PreflightError(
            f"the Orthanc at {transport.origin} is set to be read only",
            hint="nothing can be deleted or stored while its option ReadOnly is true",
        )


def _refuse(transport: Transport, answer: Answer, hint: str) -> NoReturn:
    if answer.status == HTTPStatus.UNAUTHORIZED:
        raise CredentialsError(
            f"the Orthanc at {transport.origin} does not accept the user name and password",
            hint="set RECONCILER_ORTHANC_USERNAME and RECONCILER_ORTHANC_PASSWORD"
            " (in Python: credentials=)",
        )
    raise PreflightError(
        f"the Orthanc at {transport.origin} cannot be used: it answered {describe(answer)}",
        hint=hint,
    )
