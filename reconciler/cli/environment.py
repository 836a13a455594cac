"""What the process is given besides its arguments: its variables."""

from __future__ import annotations

import os
import socket
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from reconciler.api.service import Credentials, Service
from reconciler.cli.ci import github
from reconciler.cli.ci.requester import requester_of
from reconciler.model.address import Provider
from reconciler.model.provenance import Requester
from reconciler.reporting.export.syslog import Sender

_CREDENTIALS = {name for provider in Provider for name in provider.facts.credentials}


def of_a_trial(*, own_store: bool = False) -> dict[str, str]:
    """What the commands are given that the tool runs to try itself out.

    None of the user's options, and no step of a workflow; credentials for the user's ``own_store``.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if (own_store and name in _CREDENTIALS)
        or not (name.startswith("RECONCILER_") or name in {*_CREDENTIALS, *github.VARIABLES})
    }


def sender() -> Sender:
    """This machine and process, as a syslog header names them."""
    return Sender(socket.gethostname(), os.getpid())


def requester() -> Requester | None:
    """Who had the run done, where a CI that is known here runs it."""
    return requester_of(os.environ)


@dataclass(frozen=True, slots=True)
class Access:
    """How a service is reached, as the command line says."""

    endpoint: str | None
    parallelism: int
    max_qps: float | None


def service(access: Access, provider: Provider) -> Service:
    """How the service of a provider is reached, by the command line and the variables.

    Proxies, CA bundle and credentials are read from the environment here alone; an empty variable
    is one that is not set.
    """
    facts = provider.facts
    found = tuple(os.environ.get(name, "") for name in facts.credentials)
    credentials: Credentials = "default"
    match found:
        case (path,) if path:
            credentials = Path(path)
        case (user, password) if user or password:
            credentials = (user, password)
    by_variable = os.environ.get(facts.endpoint_variable) or None
    return Service(
        endpoint=by_variable if access.endpoint is None else access.endpoint,
        credentials=credentials,
        parallelism=access.parallelism,
        max_qps=access.max_qps,
        proxies=urllib.request.getproxies(),
        ca_bundle=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE"),
    )
