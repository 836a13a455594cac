"""Where the service is asked: an origin to which a token may go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from reconciler.errors import EndpointError
from reconciler.model.service import is_loopback

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"  # RFC 1123 section 2.1
_ORIGIN = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])"
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
    if not 0 < port <= _HIGHEST_PORT or (host.startswith("[") and not is_address(host.strip("[]"))):
        raise _malformed(text)
    loopback = is_loopback(host.strip("[]"))
    if scheme == "http" and not loopback:
        raise EndpointError(
            f"plain http is allowed to this machine only, not to {host}",
            hint="use https, so that neither the token nor the images can be read on the way",
        )
    suffix = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    return Endpoint(f"{scheme}://{host}{suffix}", loopback)


def is_address(host: str) -> bool:
    """Whether it is an IP address, one of IPv6 without brackets."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _malformed(text: str) -> EndpointError:
    if _ORIGIN.fullmatch(text.replace("_", "x")):
        return EndpointError(
            f"the host of the endpoint {text!r} has an underscore",
            hint="a host name has letters, digits and hyphens between its dots: give the server"
            " another name",
        )
    # A user or password in the text must not reach a log, so it is not echoed then.
    shown = "the endpoint" if "@" in text else f"the endpoint {text!r}"
    return EndpointError(
        f"{shown} is not the origin of a service",
        hint="write https://HOST or https://HOST:PORT, without user, path, query or fragment",
    )
