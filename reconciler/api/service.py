"""How a service is reached, as the caller says; nothing is taken from the environment."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from reconciler import __version__
from reconciler.api import machine
from reconciler.errors import UsageError
from reconciler.live.connection import Connection
from reconciler.live.http.endpoint import Endpoint, parse_endpoint
from reconciler.live.http.rate import Memory
from reconciler.live.settings import DEFAULT_PARALLELISM, ConnectionSettings
from reconciler.model.address import DEFAULT_PROVIDER, Provider, StoreAddress

Credentials: TypeAlias = str | Path | tuple[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How to reach the service of the stores; a value that can be sent to workers.

    Args:
        endpoint: Its origin, such as ``https://orthanc.example.org:8042``. Default: that of the
            Healthcare API; an Orthanc has none.
        credentials: The path of a Google Cloud credentials file; or user and password of an
            Orthanc; or ``"default"`` for Application Default Credentials, the environment
            included. Without any, only a service without authentication can be reached: an
            Orthanc without users, or a store on this machine.
        parallelism: Requests in flight at a time, 1 to 64; 32 by default.
        max_qps: Maximum requests per second; None for no limit.
        proxies: A proxy's URL by scheme, as ``urllib.request.getproxies()`` returns them.
        ca_bundle: The path of a PEM file that replaces certifi's.

    Example:
        >>> reconciler.Service(endpoint="http://127.0.0.1:8042", credentials=("anna", "secret"))
        Service(endpoint='http://127.0.0.1:8042', parallelism=32, max_qps=None, ca_bundle=None)
    """

    endpoint: str | None = None
    credentials: Credentials = field(default=None, repr=False)
    parallelism: int = DEFAULT_PARALLELISM
    max_qps: float | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_bundle: str | None = None


def provider_of(stores: Iterable[StoreAddress]) -> Provider:
    """The provider of a run, all of whose stores have the same."""
    return next((store.provider for store in stores), DEFAULT_PROVIDER)


def endpoint_of(service: Service, provider: Provider) -> Endpoint:
    """The origin of the service.

    Raises:
        EndpointError: it is not one that may be used.
        UsageError: the provider has no default, and none is given.
    """
    facts = provider.facts
    chosen = facts.endpoint if service.endpoint is None else service.endpoint
    if chosen is None:
        raise UsageError(
            f"no endpoint is given for {provider.title()}",
            hint=f"give its origin, such as https://HOST:8042 (--endpoint or"
            f" {facts.endpoint_variable}; in Python: endpoint=)",
        )
    return parse_endpoint(chosen)


def connect(
    service: Service,
    provider: Provider,
    *,
    read_only: bool,
    stop: threading.Event | None = None,
    rate_memory: Memory | None = None,
) -> Connection:
    """Open what all stores of a run share; ``rate_memory`` is as in `ConnectionSettings`.

    Raises:
        CredentialsError: there are no credentials where they are needed.
        EndpointError: the endpoint is not one that may be used.
        UsageError: there is no endpoint, or the credentials are another provider's.
    """
    settings = ConnectionSettings(
        endpoint_of(service, provider),
        read_only=read_only,
        provider=provider,
        user_agent=f"reconciler/{__version__}",
        parallelism=service.parallelism,
        max_qps=service.max_qps,
        rate_memory=rate_memory,
        credentials=_by_name(service.credentials, provider),
        default_credentials=service.credentials == "default",
        proxies=service.proxies,
        ca_bundle=service.ca_bundle,
    )
    return Connection(
        settings,
        now=machine.now,
        random_source=machine.jitter(),
        request_ids=machine.request_ids(),
        stop=stop or threading.Event(),
    )


def _by_name(given: Credentials, provider: Provider) -> dict[str, str]:
    """The credentials under the names by which the provider knows them."""
    names = provider.facts.credentials
    if given is None or given == "default":
        return {}
    values = (str(given),) if isinstance(given, str | Path) else given
    if len(values) != len(names):
        raise UsageError(
            f"the credentials are not those of {provider.title()}",
            hint="the Healthcare API takes the path of a credentials file or 'default', an Orthanc"
            " takes (USER, PASSWORD)",
        )
    return {name: value for name, value in zip(names, values, strict=True) if value}
