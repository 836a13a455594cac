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

from requests import PreparedRequest, Response
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from requests.structures import CaseInsensitiveDict

from reconciler.errors import EndpointError
from reconciler.live.http.endpoint import is_address
from reconciler.live.http.exchange import connections_of


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
        hint="REQUESTS_CA_BUNDLE or SSL_CERT_FILE must name a file of certificates in PEM form, or"
        " a folder of them on which `openssl rehash` was run",
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
    """An adapter for any origin, whose answers end as `answered_within` says."""

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
    halves the speed of 64 threads over TLS. Handing a context to the pool alone does not help,
    because ``cert_verify`` sets the CA file again. An origin of plain http needs none.
    ``doubt`` and ``reuse`` are those of `connections_of`.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None,
        *,
        pool_maxsize: int,
        doubt: threading.Event,
        reuse: bool = True,
    ) -> None:
        self._context = context
        self._connections = partial(connections_of, doubt=doubt, reuse=reuse)
        self._pool: Any = None
        super().__init__(pool_connections=1, pool_maxsize=pool_maxsize)

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: Any,
        proxies: Any = None,
        cert: Any = None,
    ) -> Any:
        """Give the pool of the one origin that this adapter is used for.

        Stock `requests` parses the URL five times for it, with every request.
        """
        if self._pool is None:
            pool: Any = super().get_connection_with_tls_context(request, verify, proxies, cert)
            pool.ConnectionCls = self._connections(pool.ConnectionCls)
            self._pool = pool
        return self._pool

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        """Give path and query; what goes through a proxy is left to `requests`.

        It parses the URL twice for it, which is checked to begin with the origin.
        """
        if proxies:
            return super().request_url(request, proxies)
        url = request.url or ""
        return url[url.index("/", len("https://")) :]

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """Wrap the answer without looking for cookies, which are never sent back."""
        response = Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        response.request = req
        response.url = req.url or ""
        return response

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Put the shared context into the key of the pool."""
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        if self._context is not None:
            tls["ssl_context"] = self._context
        return host, tls

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:  # noqa: ARG002 - the signature is the base class's
        """Leave the shared context in place: it holds the CA bundle, and it verifies."""
        conn.cert_reqs = "CERT_REQUIRED"
