"""Application Default Credentials: who the caller is, by google-auth."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import google.auth
import google.auth.exceptions
import google.auth.transport.requests
import requests

from reconciler.errors import CredentialsError
from reconciler.live.adapter import proxies_for
from reconciler.live.endpoint import Endpoint
from reconciler.live.tokens import SharedToken

SCOPE = "https://www.googleapis.com/auth/cloud-healthcare"

_TOKEN_TIMEOUT = 30.0  # seconds; google-auth's own default is two minutes
_UNREADABLE = (
    google.auth.exceptions.GoogleAuthError,
    AttributeError,
    KeyError,
    OSError,
    TypeError,
    ValueError,
)
"""What google-auth raises on a credentials file: some of it only where the JSON surprises it."""

_SIGN_IN = (
    "run `gcloud auth application-default login`, or name a credentials file in"
    " GOOGLE_APPLICATION_CREDENTIALS"
)


def load_token(
    endpoint: Endpoint,
    *,
    credentials_file: str | None,
    proxies: Mapping[str, str],
    ca_bundle: str | None,
) -> SharedToken:
    """Find the credentials for an endpoint; nothing is fetched for them yet.

    Away from loopback they are the given file's, else those that google-auth finds (gcloud's
    sign-in, the metadata server, a workload's identity). On loopback only a given file counts:
    the caller's real identity has no business at a store on the same machine.

    Raises:
        CredentialsError: there are none, or the file is not a credentials file.
    """
    request = _token_request(proxies, ca_bundle)
    if credentials_file is not None:
        return SharedToken(_from_file(credentials_file, request), request)
    if endpoint.is_loopback:
        return SharedToken(None, request)
    return SharedToken(_by_default(request), request)


def _from_file(path: str, request: Any) -> Any:
    try:
        load: Any = google.auth.load_credentials_from_file  # untyped there
        return load(path, scopes=[SCOPE], request=request)[0]
    except _UNREADABLE as error:
        # google-auth's text may quote the file, which holds a private key.
        raise CredentialsError(
            f"{path!r} is not a readable credentials file of Google Cloud",
            hint="GOOGLE_APPLICATION_CREDENTIALS must name a service account's key, an"
            " external account's configuration or a user's credentials, in JSON",
        ) from error


def _by_default(request: Any) -> Any:
    try:
        return google.auth.default(scopes=[SCOPE], request=request)[0]
    except _UNREADABLE as error:
        raise CredentialsError("no Google Cloud credentials were found", hint=_SIGN_IN) from error


def _token_request(proxies: Mapping[str, str], ca_bundle: str | None) -> Any:
    """How google-auth asks for tokens: in a session of its own, with timeouts."""
    session = _TokenSession(proxies)
    session.verify = ca_bundle or True
    request = google.auth.transport.requests.Request(session)
    return functools.partial(request, timeout=_TOKEN_TIMEOUT)


class _TokenSession(requests.Session):
    """A session that takes nothing from the environment: a .netrc must not answer for a token.

    The host of the token service is only known when it is asked, so the proxy is chosen then.
    """

    def __init__(self, proxies: Mapping[str, str]) -> None:
        super().__init__()
        self.trust_env = False
        self._proxies = proxies

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        kwargs["proxies"] = proxies_for(request.url or "", self._proxies)
        return super().send(request, **kwargs)
