"""Why the credentials give no access token, without a word of what was answered."""

from __future__ import annotations

from http import HTTPStatus

from google.auth.exceptions import GoogleAuthError

from reconciler.errors import CredentialsError, LiveError
from reconciler.live.http.retry import RETRYABLE_STATUSES
from reconciler.live.http.token_session import Exchange

_OAUTH_ERRORS = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_target",
    }
)
"""RFC 6749 section 5.2 and RFC 8693 section 2.2.2."""


def may_pass(error: BaseException, last: Exchange) -> bool:
    """Whether another attempt may give a token, by what the last request for one met."""
    if isinstance(error, LiveError):
        return False
    if last.fault is not None:
        return last.fault.may_pass
    asks_again = isinstance(error, GoogleAuthError) and error.retryable
    return asks_again or last.status in RETRYABLE_STATUSES


def advice(last: Exchange) -> str:
    """What to look at where no attempt gave a token."""
    met = f"HTTP {last.status}" if last.fault is None else last.fault.value.partition(";")[0]
    return (
        f"this machine must reach {last.host} for an access token, by the proxy or directly: {met}"
    )


def refusal(error: BaseException | None, last: Exchange | None, hint: str) -> CredentialsError:
    """The error for the user; ``hint`` is what these credentials rest on.

    ``last`` is the request that was answered last, or not answered. Texts of ``error`` are not
    shown: they quote replies, keys and what an executable printed.
    """
    if isinstance(error, LiveError):
        return CredentialsError(str(error), hint=error.hint)
    if last is None:
        kind = "" if error is None else f" ({type(error).__name__})"
        return CredentialsError(f"the credentials give no access token{kind}", hint=hint)
    if last.fault is not None:
        message = f"{last.host} was asked for an access token: {last.fault.value}"
        return CredentialsError(message, hint=last.fault.hint)
    if last.status == HTTPStatus.OK:
        return CredentialsError(
            f"the reply of {last.host} holds no usable access token", hint=_WRONG_PLACE
        )
    if last.status in _REDIRECTS:
        return CredentialsError(
            f"{last.host} answered a request for an access token with a redirect"
            f" (HTTP {last.status}), which is not followed",
            hint=_WRONG_PLACE,
        )
    reason = _oauth_error(error) or f"HTTP {last.status}"
    return CredentialsError(f"{last.host} does not accept the credentials ({reason})", hint=hint)


_REDIRECTS = range(300, 400)
_WRONG_PLACE = (
    "look at the URLs in the credentials file, and whether something in between answers in place"
    " of the token service"
)


def _oauth_error(error: BaseException | None) -> str | None:
    """The error code that the token service gave, where it is one of OAuth's own."""
    text = str(error.args[0]) if error is not None and error.args else ""
    code = text.removeprefix("Error code ").partition(":")[0]
    return code if code in _OAUTH_ERRORS else None
