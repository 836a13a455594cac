"""Who asks: what goes into the headers of every request."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Protocol

from reconciler.errors import CredentialsError

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")  # RFC 7617 section 2


class Identity(Protocol):
    """The credentials of a run, shared by all its threads."""

    @property
    def may_renew(self) -> bool:
        """Whether a read request that was answered with 401 is worth another attempt."""

    @property
    def principal(self) -> str | None:
        """The name by which the service knows the caller, where the credentials tell it."""

    def headers(self) -> Mapping[str, str]:
        """The headers that say who asks.

        Raises:
            CredentialsError: there are none to be had.
            NoAnswerError: who gives them could not be asked.
        """

    def reject(self, sent: Mapping[str, str]) -> None:
        """Take note that the service answered 401 to these headers."""


class BasicIdentity:
    """A user name and a password (RFC 7617); without them, requests go out unsigned.

    Raises:
        CredentialsError: they cannot be written in a header.
    """

    may_renew = False

    def __init__(self, username: str | None, password: str | None) -> None:
        self._headers: dict[str, str] = {}
        self.principal = username
        if username is None and password is None:
            return
        if not username or password is None or ":" in username:
            raise CredentialsError(
                "a user name (without a colon) and a password are needed, or none of them"
            )
        try:
            text = f"{username}:{password}".encode()
        except UnicodeEncodeError:
            # Not as its cause: its text quotes the password.
            raise CredentialsError("user name and password must be UTF-8") from None
        if _CONTROL.search(text):
            raise CredentialsError(
                "a user name and a password cannot hold control characters",
                hint="check for a line end after the value, as a file of secrets may have",
            )
        token = base64.b64encode(text).decode()
        self._headers = {"authorization": f"Basic {token}"}

    def headers(self) -> Mapping[str, str]:
        """The same for every request."""
        return self._headers

    def reject(self, sent: Mapping[str, str]) -> None:
        """Nothing can be done about it."""
