"""Where the service is asked: an origin to which a token may go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from reconciler.errors import EndpointError
from reconciler.model.service import is_loopback

DEFAULT_ENDPOINT = "https://healthcare.googleapis.com"

_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE | re.ASCII,
)
_DEFAULT_PORTS = {"https": 443, "http": 80}
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The service's address, as a normalised origin: scheme, host and port, no final slash.

    On ``is_loopback`` the request does not leave the machine: plain http is allowed there, and
    credentials are optional.
    """

    origin: str
    is_loopback: bool

    def __str__(self) -> str:
        return self.origin


def parse_endpoint(text: str) -> Endpoint:
    """Read an endpoint such as ``https://healthcare.googleapis.com``.

    Raises:
        EndpointError: it is not an origin, or it is plain http to another machine.
    """
    match = _ORIGIN.fullmatch(text)
    if match is None:
        raise _malformed(text)
    scheme, host = match["scheme"].lower(), match["host"].lower()
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    if not 0 < port <= _HIGHEST_PORT or (host.startswith("[") and not _is_ip(host)):
        raise _malformed(text)
    loopback = is_loopback(host.strip("[]"))
    if scheme == "http" and not loopback:
        raise EndpointError(
            f"plain http is allowed to this machine only, not to {host}",
            hint="use https, so that neither the token nor the images can be read on the way",
        )
    suffix = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    return Endpoint(f"{scheme}://{host}{suffix}", loopback)


def _malformed(text: str) -> EndpointError:
    # A user or password in the text must not reach a log, so it is not echoed then.
    shown = "the endpoint" if "@" in text else f"the endpoint {text!r}"
    return EndpointError(
        f"{shown} is not the origin of a service",
        hint="write https://HOST or https://HOST:PORT, without user, path, query or fragment",
    )


def _is_ip(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
