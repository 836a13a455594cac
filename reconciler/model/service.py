"""Which service an endpoint speaks for: what is known of a store there is known of it anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from reconciler.model.address import Provider, StoreAddress

_LOOPBACK = "loopback"
_DEFAULT_PORTS = {"https": 443, "http": 80}


class Store(NamedTuple):
    """One store, by whatever name its endpoint is reached."""

    service: str
    address: StoreAddress


def store_at(endpoint: str, address: StoreAddress) -> Store:
    """The store that has this address at the service of an endpoint, an origin."""
    return Store(service_of(address.provider, endpoint), address)


def is_one_service(stores: Iterable[StoreAddress], endpoint: str, other: str) -> bool:
    """Whether two endpoints are names of one service, for all of these stores."""
    if endpoint == other:
        return True
    pairs = [(store_at(endpoint, store), store_at(other, store)) for store in stores]
    return bool(pairs) and all(one == another for one, another in pairs)


@lru_cache(maxsize=1024)
def service_of(provider: Provider, endpoint: str) -> str:
    """The name of the service, the same for every endpoint of it.

    Where a store's resource name is global, every endpoint that is not on this machine, be it
    regional or private, leads to the one service. What listens on this machine is an emulator, and
    known by its port. Where the address says nothing, each origin is a service of its own.
    All names of the loopback interface are one.
    """
    port = loopback_port(endpoint)
    if port is not None:
        return f"{_LOOPBACK}:{port}"
    return provider.facts.service or endpoint


def is_loopback(host: str) -> bool:
    """Whether this host name or IP address, an IPv6 one without brackets, is this machine's own."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def loopback_port(endpoint: str) -> int | None:
    """The port of an endpoint on this machine; None for any other, and for what is no URL."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # a record may hold what no run of this tool would have asked
        return None
    return (port or _DEFAULT_PORTS.get(parts.scheme, 0)) if is_loopback(host) else None
