"""Access tokens, issued for a signed assertion as RFC 7523 section 2.1 has it.

The signature is not checked, since the emulator knows no keys: what is exercised is the client.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from itertools import count

from reconciler.emulator.http.answer import Response, json_answer

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_JWT_PARTS = 3


class Tokens:
    """The tokens that are in force; ``lifetime`` and ``monotonic`` are in seconds."""

    def __init__(self, lifetime: float, monotonic: Callable[[], float]) -> None:
        self._lifetime = lifetime
        self._monotonic = monotonic
        self._born = monotonic()
        self._numbers = count(1)
        self._expiries: dict[str, float] = {}

    def answer(self, form: Mapping[str, str]) -> Response:
        """Answer a token request: a token, or the error of RFC 6749 section 5.2."""
        if form.get("grant_type") != GRANT_TYPE:
            return json_answer({"error": "unsupported_grant_type"}, status=400)
        if not _is_assertion(form.get("assertion", "")):
            return json_answer({"error": "invalid_grant"}, status=400)
        return json_answer(
            {
                "access_token": self.issue(),
                "expires_in": int(self._lifetime),
                "token_type": "Bearer",
            }
        )

    def issue(self) -> str:
        """A new token; no other run of the emulator has issued it."""
        token = f"emulator-{self._born:.9f}-{next(self._numbers)}"
        self._expiries[token] = self._monotonic() + self._lifetime
        return token

    def accepts(self, authorization: str | None) -> bool:
        """Whether an Authorization header carries a token that is in force."""
        scheme, _, token = (authorization or "").partition(" ")
        expiry = self._expiries.get(token.strip())
        return scheme.lower() == "bearer" and expiry is not None and self._monotonic() < expiry

    def revoke_all(self) -> None:
        """Put every token out of force."""
        self._expiries.clear()


def _is_assertion(assertion: str) -> bool:
    """Whether it has the form of a JWT (RFC 7519) with an issuer and an audience."""
    parts = assertion.split(".")
    if len(parts) != _JWT_PARTS:
        return False
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    except ValueError:
        return False
    return isinstance(claims, dict) and {"iss", "aud"} <= claims.keys()
