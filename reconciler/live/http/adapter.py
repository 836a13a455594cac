"""The connections: one pool, one TLS context, proxies decided once."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Mapping
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed's gap
from weakref import WeakSet

from requests import PreparedRequest, Request
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout

from reconciler.errors import EndpointError
from reconciler.live.http.endpoint import is_address
from reconciler.live.http.exchange import connections_of
from reconciler.live.http.message import Message


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Build the context that verifies certificate and host name of every connection.

    ``ca_bundle`` is a file of certificates, or a folder that holds them by their hashes.

    Raises:
        EndpointError: it is neither.
    """
    source = Path(ca_bundle or DEFAULT_CA_BUNDLE_PATH)
    try:
        if not source.is_dir():
            return ssl.create_default_context(cafile=source)
        if any(_HASHED.fullmatch(file.name) for file in source.iterdir()):
            return ssl.create_default_context(capath=source)
    except ssl.SSLError:
        reason = "holds no certificate in PEM form"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    else:
        reason = "is a folder that holds no certificate by its hash"
    raise EndpointError(
        f"the CA bundle {str(source)!r} {reason}",
        hint="REQUESTS_CA_BUNDLE or SSL_CERT_FILE (in Python: ca_bundle=) must name a file of"
        " certificates in PEM form, or a folder of them on which `openssl rehash` was run",
    )


_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""How OpenSSL looks for an authority in a folder: the hash of its name, and a number."""


def proxies_for(url: str, proxies: Mapping[str, str]) -> dict[str, str]:
    """Choose the proxy of a URL, in the form that `requests` takes.

    ``proxies`` is what ``urllib.request.getproxies()`` gives: scheme (or ``all``) to proxy, and
    ``no`` for the hosts that are reached directly, by name, address or network.

    Raises:
        EndpointError: the proxy is none, or ``no`` has an address with a prefix that is none.
    """
    parts = urlsplit(url)
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy is None:
        return {}
    networks = [_network(entry.strip()) for entry in proxies.get("no", "").split(",")]
    if is_address(host := parts.hostname or ""):
        address = ip_address(host)
        if any(network is not None and address in network for network in networks):
            return {}
    if proxy_bypass_environment(parts.netloc, dict(proxies)):
        return {}
    _check_proxy(proxy)
    return {parts.scheme: proxy}


def _check_proxy(proxy: str) -> None:
    """Refuse what is no address of a proxy; it may hold a password, so it is not shown."""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        has_scheme = _PROXY_SCHEME.fullmatch(parts.scheme) is not None
        has_host = _PROXY_HOST.fullmatch(parts.hostname or "") is not None
        is_valid = has_scheme and has_host and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise EndpointError(
            "the address of the proxy is not valid",
            hint="write HTTPS_PROXY or ALL_PROXY as http://HOST:PORT, or with"
            " USER:PASSWORD@ before HOST",
        )


_PROXY_SCHEME = re.compile(r"https?|socks[45][ah]?")
_PROXY_HOST = re.compile(r"[A-Za-z0-9._:%-]+")


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    """An entry of NO_PROXY as a network (RFC 4632, RFC 4291 section 2.3), if it is one."""
    address, slash, _ = entry.partition("/")
    if not slash or not is_address(address):
        return None
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        raise EndpointError(
            f"NO_PROXY has {entry!r}, which is not a network",
            hint="write ADDRESS/BITS, such as 10.0.0.0/8",
        ) from None


class BoundedAdapter(HTTPAdapter):
    """An adapter for any origin, whose answers end as `AnsweredWithin` says."""

    def __init__(self) -> None:
        super().__init__()
        self._bounded: WeakSet[Any] = WeakSet()

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: Any,
        proxies: Any = None,
        cert: Any = None,
    ) -> Any:
        """Give the pool of an origin; its replies are read as those of a store."""
        pool: Any = super().get_connection_with_tls_context(request, verify, proxies, cert)
        if pool not in self._bounded:
            pool.ConnectionCls = connections_of(pool.ConnectionCls, threading.Event(), reuse=True)
            self._bounded.add(pool)
        return pool


class SharedContextAdapter(HTTPAdapter):
    """An adapter for one origin, whose connections share one TLS context, verification on.

    Stock `requests` loads the CA bundle anew for every connection: 14 ms of CPU each, which
    halves the speed of 64 threads over TLS. An origin of plain http needs no context. ``proxies``
    is what `proxies_for` gives; ``doubt`` and ``reuse`` are those of `connections_of`.
    """

    def __init__(
        self,
        origin: str,
        context: ssl.SSLContext | None,
        *,
        proxies: Mapping[str, str],
        pool_maxsize: int,
        doubt: threading.Event,
        reuse: bool = True,
    ) -> None:
        self._origin = origin
        self._context = context
        self._proxies = dict(proxies)
        self._connections = partial(connections_of, doubt=doubt, reuse=reuse)
        self._first_request = threading.Lock()
        self._pool: HTTPConnectionPool | None = None
        super().__init__(pool_connections=1, pool_maxsize=pool_maxsize)

    def send_once(self, message: Message, timeout: Timeout) -> BaseHTTPResponse:
        """Send to the one origin, and give the reply as soon as its headers are there.

        `HTTPAdapter.send` parses the URL several times for it and wraps the reply, which takes
        a fifth of the CPU of a request.

        Raises:
            requests.RequestException: the proxy is of a kind that needs another package.
            urllib3.exceptions.HTTPError: no reply came.
        """
        pool = self._pool or self._open_pool()
        return pool.urlopen(
            message.method,
            message.target,
            body=message.body,
            headers=message.headers,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            retries=self.max_retries,
            timeout=timeout,
        )

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Put the shared context into the key of the pool."""
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        if self._context is not None:
            tls["ssl_context"] = self._context
        return host, tls

    def _open_pool(self) -> HTTPConnectionPool:
        with self._first_request:
            if self._pool is None:
                request = Request("GET", self._origin).prepare()
                pool: Any = self.get_connection_with_tls_context(
                    request, verify=True, proxies=self._proxies
                )
                pool.ConnectionCls = self._connections(pool.ConnectionCls)
                self._pool = pool
            return self._pool
