"""Application Default Credentials: who the caller is, by google-auth."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import google.auth
from google.auth import aws, identity_pool, pluggable
from google.auth.credentials import Scoped
from google.auth.transport.requests import Request
from google.oauth2 import service_account

from reconciler.errors import CredentialsError
from reconciler.live.http.bounds import Term
from reconciler.live.http.token_session import TokenSession
from reconciler.live.http.tokens import SharedToken, TokenSource

SCOPE = "https://www.googleapis.com/auth/cloud-healthcare"

_FILE_LIMIT = 1024 * 1024  # bytes; what is read of a credentials file
_REQUEST_TIMEOUT = 30.0  # seconds; google-auth's own default is two minutes
_TOKEN_TIMEOUT = 60.0  # seconds, for all requests that one token takes
_EXECUTABLE_TIMEOUT = 120.0  # seconds more; google-auth ends an executable after that

_SIGN_IN = (
    "run `gcloud auth application-default login`, or name a credentials file in"
    " GOOGLE_APPLICATION_CREDENTIALS"
)

_GIVE = 'give the path of a credentials file, or "default" for those of this machine'


def load_token(
    *,
    credentials_file: str | None,
    by_default: bool,
    proxies: Mapping[str, str],
    ca_bundle: str | None,
    term: Callable[[], Term],
) -> SharedToken:
    """Find the credentials; no token is fetched for them yet.

    ``term`` makes that of each answer of a token service.

    They are the given file's, else, ``by_default``, those that google-auth finds (gcloud's
    sign-in, the metadata server, a workload's identity).

    Raises:
        CredentialsError: there are none, or the file is not a credentials file.
    """
    if credentials_file is None and not by_default:
        raise CredentialsError("no credentials are given", hint=_GIVE)
    session = TokenSession(proxies, verify=ca_bundle or True, term=term)
    request = functools.partial(Request(session), timeout=_REQUEST_TIMEOUT)
    found = _by_default(request) if credentials_file is None else _from_file(credentials_file)
    credentials: Any = found
    if isinstance(found, Scoped):
        credentials = found.with_scopes([SCOPE])  # type: ignore[no-untyped-call]  # untyped there
    is_slow = isinstance(credentials, pluggable.Credentials)
    return SharedToken(
        TokenSource(
            credentials,
            request,
            session,
            longest=_TOKEN_TIMEOUT + (_EXECUTABLE_TIMEOUT if is_slow else 0.0),
            hint=_hint(credentials),
        )
    )


def _from_file(path: str) -> Any:
    """The credentials of a file, without their scope.

    Given the scope, google-auth would fetch a token at once, and send it to
    cloudresourcemanager.googleapis.com to ask for the project of a workload's identity.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(_FILE_LIMIT)
    except OSError as error:
        raise _unreadable(path, error.strerror) from None
    except ValueError:
        raise _unreadable(path, "it is not UTF-8") from None
    try:
        load: Any = google.auth.load_credentials_from_dict  # untyped there
        return load(json.loads(text))[0]
    except Exception:  # noqa: BLE001 - google-auth and its signers raise what the JSON makes of them
        # Not as its cause: their texts quote the file, which holds a private key.
        raise _unreadable(path, "its JSON or its key is malformed") from None


def _unreadable(path: str, reason: str | None) -> CredentialsError:
    return CredentialsError(
        f"{path!r} is not a readable credentials file of Google Cloud: {reason}",
        hint="GOOGLE_APPLICATION_CREDENTIALS (in Python: credentials=) must name a service"
        " account's key, an external account's configuration or a user's credentials, in JSON",
    )


def _by_default(request: Any) -> Any:
    """What google-auth finds, without its scope, for the reason that `_from_file` gives."""
    try:
        return google.auth.default(request=request)[0]
    except Exception:  # noqa: BLE001 - it may find a file, and fail as with one
        raise CredentialsError("no Google Cloud credentials were found", hint=_SIGN_IN) from None


def _hint(credentials: Any) -> str:
    """What to look at where these credentials give no token."""
    hints = (hint for kind, hint in _HINTS if isinstance(credentials, kind))
    return next(hints, "sign in again, or look whether the account may still act")


_HINTS: tuple[tuple[type, str], ...] = (
    (
        service_account.Credentials,
        "check whether the key of the service account was revoked; private_key must be a whole RSA"
        " key in PEM form",
    ),
    (
        pluggable.Credentials,
        "run the executable that credential_source names by hand: it must print a subject token in"
        " JSON within timeout_millis; GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES must be 1",
    ),
    (
        aws.Credentials,
        "look at AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or at the metadata server"
        " that credential_source names",
    ),
    (
        identity_pool.Credentials,
        "look at credential_source in the credentials file: its file or URL must give a subject"
        " token in text, which the workload identity pool accepts",
    ),
)
