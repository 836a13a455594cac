"""A token service on loopback, and the credentials files that lead to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..serving import QuietHandler, serving_http

SECRET = "hush-0123456789"
"""Part of every token, key, password and reply: it may be shown nowhere."""

EMAIL = "reader@demo-project.iam.gserviceaccount.com"


@dataclass
class Reply:
    """What the service answers; ``pause`` is between the bytes of its body, in seconds."""

    body: bytes | Iterator[bytes]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    pause: float = 0.0


def good(lifetime: float = 3600, token: str = f"{SECRET}-good") -> Reply:
    """A token, in the words of the token service, of IAM and of the metadata server at once."""
    until = datetime.now(UTC) + timedelta(seconds=lifetime)
    return of(
        access_token=token,
        accessToken=token,
        expires_in=lifetime,
        expireTime=f"{until:%Y-%m-%dT%H:%M:%SZ}",
    )


def of(**members: Any) -> Reply:
    return Reply(json.dumps({"token_type": "Bearer", "email": EMAIL} | members).encode())


@dataclass
class TokenService:
    """``answers`` maps the method and path of a request to its reply; ``seen`` are the requests."""

    url: str = ""
    answers: Callable[[str, str], Reply] = lambda method, path: good()
    seen: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def running_token_service() -> Iterator[TokenService]:
    service = TokenService()

    class Handler(QuietHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            service.seen.append((self.command, self.path))
            reply = service.answers(self.command, self.path)
            self.close_connection = True
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):
                for piece in [reply.body] if isinstance(reply.body, bytes) else reply.body:
                    self.wfile.write(piece)
                    self.wfile.flush()
                    time.sleep(reply.pause)

        do_GET = do_POST = do_PUT = do_CONNECT = answer  # noqa: N815 - the names are http.server's

    with serving_http(Handler) as service.url:
        yield service


def service_account(url: str, key: str) -> dict[str, Any]:
    return {
        "type": "service_account",
        "private_key": key,
        "client_email": EMAIL,
        "token_uri": f"{url}/token",
    }


def user(url: str, kind: str) -> dict[str, Any]:
    """A user's sign-in, of Google or of a workforce pool."""
    return {
        "type": kind,
        "client_id": "client",
        "client_secret": SECRET,
        "refresh_token": SECRET,
        "token_url": f"{url}/token",
    }


def external(url: str, source: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Workload identity federation: a subject token is exchanged for an access token."""
    return {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/12345/locations/global"
        "/workloadIdentityPools/pool/providers/provider",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{url}/token",
        "credential_source": source,
        **more,
    }


def from_aws(url: str) -> dict[str, Any]:
    source = {
        "environment_id": "aws1",
        "region_url": f"{url}/region",
        "url": f"{url}/role",
        "regional_cred_verification_url": "https://sts.{region}.amazonaws.com",
    }
    aws = "urn:ietf:params:aws:token-type:aws4_request"
    return external(url, source, subject_token_type=aws)


def impersonated(url: str, subject: Path) -> dict[str, Any]:
    """As `external`, and then the access token of a service account is asked for."""
    account = f"{url}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
    return external(url, {"file": str(subject)}, service_account_impersonation_url=account)
