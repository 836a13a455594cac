"""One access token for all threads, fetched when it is needed and by one thread only."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

import google.auth.credentials
import google.auth.exceptions

from reconciler.errors import CredentialsError
from reconciler.live.faults import Fault, NoAnswerError

_OAUTH_ERROR = re.compile(r"[a-z_]{3,40}")  # RFC 6749 section 5.2, such as invalid_grant


class SharedToken:
    """The credentials of a run; without any, requests go out unsigned.

    google-auth does not lock a refresh: 64 threads that start together would fetch 64 tokens.
    ``credentials`` and ``request`` are google-auth's.
    """

    def __init__(self, credentials: Any, request: Any) -> None:
        self._credentials = credentials
        self._request = request
        self._lock = threading.Lock()
        self._rejected: str | None = None
        self._failure: CredentialsError | None = None

    @property
    def may_renew(self) -> bool:
        """Whether another token may do better: with credentials, yes."""
        return self._credentials is not None

    @property
    def principal(self) -> str | None:
        """The service account's e-mail address, or the user's; nothing is asked for it.

        A machine's own account has the name ``default`` until its first token is fetched.
        """
        for name in ("service_account_email", "account"):
            told = getattr(self._credentials, name, None)
            if isinstance(told, str) and told not in {"", "default"}:
                return told
        return None

    def headers(self) -> Mapping[str, str]:
        """The headers that say who asks, with a token that is good by its date.

        Raises:
            CredentialsError: the token service refuses a token.
            NoAnswerError: the token service could not be asked.
        """
        if self._credentials is None:
            return {}
        if self._needs_refresh():
            self._refresh()
        return self._applied()

    def reject(self, sent: Mapping[str, str]) -> None:
        """Take note that the service answered 401 to these headers.

        The next caller fetches another token, unless someone has done so since they were sent.
        """
        self._rejected = sent.get("authorization")

    def _applied(self) -> dict[str, str]:
        # Not before_request: that would refresh without a lock, and look up more at other hosts.
        headers: dict[str, str] = {}
        self._credentials.apply(headers)
        return headers

    def _needs_refresh(self) -> bool:
        if self._credentials.token_state is not google.auth.credentials.TokenState.FRESH:
            return True
        return self._rejected is not None and self._rejected == self._applied()["authorization"]

    def _refresh(self) -> None:
        with self._lock:
            if self._failure is not None:
                # The other threads must not repeat a question that has been answered with no.
                raise self._failure
            if not self._needs_refresh():
                return
            try:
                self._credentials.refresh(self._request)
            except google.auth.exceptions.GoogleAuthError as error:
                if _may_pass(error):
                    raise NoAnswerError(Fault.NO_TOKEN) from error
                self._failure = _refused(error)
                raise self._failure from error
            self._rejected = None


def _may_pass(error: google.auth.exceptions.GoogleAuthError) -> bool:
    return error.retryable or isinstance(error, google.auth.exceptions.TransportError)


def _refused(error: google.auth.exceptions.GoogleAuthError) -> CredentialsError:
    code = str(error.args[0]).partition(":")[0] if error.args else ""
    shown = f" ({code})" if _OAUTH_ERROR.fullmatch(code) else ""
    return CredentialsError(
        f"the token service does not accept the credentials{shown}",
        hint="sign in again, or look whether the key of the service account was revoked",
    )
