"""The connections: one pool, one TLS context, proxies decided once."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed's gap

from requests import PreparedRequest, Response
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from requests.structures import CaseInsensitiveDict

from reconciler.errors import EndpointError
from reconciler.live.exchange import connections_of


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Build the context that verifies certificate and host name of every connection.

    Raises:
        EndpointError: the CA bundle cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=ca_bundle or DEFAULT_CA_BUNDLE_PATH)
    except (OSError, ssl.SSLError) as error:
        raise EndpointError(
            f"the CA bundle {ca_bundle or DEFAULT_CA_BUNDLE_PATH!r} cannot be read",
            hint="it must be a file of certificates in PEM form",
        ) from error


def proxies_for(url: str, proxies: Mapping[str, str]) -> dict[str, str]:
    """Choose the proxy of a URL, in the form that `requests` takes.

    ``proxies`` is what ``urllib.request.getproxies()`` gives: scheme (or ``all``) to proxy, and
    ``no`` for the hosts that are reached directly.
    """
    parts = urlsplit(url)
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy is None or proxy_bypass_environment(parts.netloc, dict(proxies)):
        return {}
    return {parts.scheme: proxy}


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
