"""How google-auth asks for tokens: without redirects, never in clear, within bounds."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from reconciler.errors import CredentialsError
from reconciler.live.http.adapter import BoundedAdapter, proxies_for
from reconciler.live.http.bounds import Term
from reconciler.live.http.exchange import AnsweredWithin
from reconciler.live.http.faults import Fault, fault_of
from reconciler.model.service import is_loopback

REPLY_LIMIT = 256 * 1024
"""Bytes of a reply; the largest tokens, assertions of SAML, have some tens of thousands."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request for a token or for what a token is made of: to ``host``, answered with ``status``.

    Without an answer, ``fault`` says why.
    """

    host: str
    status: int | None = None
    fault: Fault | None = None


class TokenSession(requests.Session):
    """A session that takes nothing from the environment: a .netrc must not answer for a token.

    The host of the token service is only known when it is asked, so the proxy is chosen then.
    ``last`` is what was asked last; None if nothing was since it was set to None.
    """

    def __init__(
        self, proxies: Mapping[str, str], *, verify: bool | str, term: Callable[[], Term]
    ) -> None:
        super().__init__()
        self.mount("https://", BoundedAdapter())
        self.mount("http://", BoundedAdapter())
        self.trust_env = False
        self.verify = verify
        self.headers["Accept-Encoding"] = "identity"
        self.last: Exchange | None = None
        self._proxies = proxies
        self._term = term

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow no redirect: the request holds the secret, and the reply the token."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send, and read the whole reply.

        Raises:
            CredentialsError: it is not sent, or the reply is too long.
            requests.RequestException: no answer came, or a broken one.
        """
        parts = urlsplit(request.url or "")
        scheme, host = parts.scheme, parts.hostname or ""
        may_be_plain = request.method != "POST" or is_loopback(host)
        if scheme != "https" and not (scheme == "http" and may_be_plain):
            raise CredentialsError(
                f"credentials are not sent to {host} over {scheme}",
                hint="write the URL of the token service in the credentials file with https",
            )
        # A metadata server is on the network of the machine, and speaks plain http.
        is_direct = scheme != "https" or is_loopback(host)
        kwargs["proxies"] = {} if is_direct else proxies_for(request.url or "", self._proxies)
        kwargs["stream"] = True
        term = self._term()
        kwargs["timeout"] = term.left(kwargs["timeout"])
        if not kwargs["timeout"]:
            self.last = Exchange(host, fault=Fault.STOPPED)
            raise requests.ConnectionError(Fault.STOPPED.value)
        try:
            with AnsweredWithin(term):
                response = super().send(request, **kwargs)
                body = _read(response)
        except requests.RequestException as error:
            self.last = Exchange(host, fault=fault_of(error))
            raise
        self.last = Exchange(host, status=response.status_code)
        if len(body) > REPLY_LIMIT:
            raise CredentialsError(f"the reply of {host} to a request for a token is too long")
        response.raw = io.BytesIO(body)
        return response


def _read(response: requests.Response) -> bytes:
    """The body, up to one byte more than the limit."""
    with response:
        try:
            body: bytes = response.raw.read(REPLY_LIMIT + 1, decode_content=True)
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(error) from error
    return body
