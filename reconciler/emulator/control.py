"""``/_emulator/``: how tests and benchmarks steer a running emulator.

``GET`` and ``PUT /_emulator/faults``; ``GET /_emulator/requests?since=SEQUENCE`` and ``DELETE``
of it; ``POST /_emulator/tokens:revoke``. None of this is logged, authorised or broken by faults.
"""

from __future__ import annotations

from dataclasses import asdict
from urllib.parse import parse_qs

from aiohttp import web

from reconciler.emulator.call import json_body
from reconciler.emulator.faulty.fault_injector import FaultInjector
from reconciler.emulator.faulty.fault_json import faults_from_json, faults_to_json
from reconciler.emulator.http.answer import ApiError, Response, json_answer
from reconciler.emulator.http.request_log import RequestLog
from reconciler.emulator.tokens import Tokens

PREFIX = "/_emulator/"


class Control:
    """Answers the requests below ``/_emulator/``."""

    def __init__(self, injector: FaultInjector, log: RequestLog, tokens: Tokens) -> None:
        self._injector = injector
        self._log = log
        self._tokens = tokens

    async def answer(self, request: web.BaseRequest) -> Response:
        """Answer one request.

        Raises:
            ApiError: there is nothing of the kind, or the body makes no sense.
        """
        match request.method, request.path.removeprefix(PREFIX):
            case "GET", "faults":
                return json_answer(faults_to_json(self._injector.faults))
            case "PUT", "faults":
                return await self._set_faults(request)
            case "GET", "requests":
                return self._requests(request)
            case "DELETE", "requests":
                self._log.clear()
                return json_answer({})
            case "POST", "tokens:revoke":
                self._tokens.revoke_all()
                return json_answer({})
            case _:
                raise ApiError(404, "The emulator has no such control.")

    async def _set_faults(self, request: web.BaseRequest) -> Response:
        try:
            faults = faults_from_json(await json_body(request))
        except ValueError as error:
            raise ApiError(400, str(error)) from error
        self._injector.set(faults)
        return json_answer(faults_to_json(faults))

    def _requests(self, request: web.BaseRequest) -> Response:
        since = parse_qs(request.query_string).get("since", ["0"])[0]
        if not since.isdecimal():
            raise ApiError(400, "'since' is the number of a request.")
        return json_answer([asdict(record) for record in self._log.since(int(since))])
