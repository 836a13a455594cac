"""What can go wrong with one attempt at a request, mapped from `requests` at one boundary."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from enum import Enum

import requests
import urllib3

from reconciler.errors import LiveError
from reconciler.live.http.bounds import EndlessError
from reconciler.live.http.exchange import UnaskedError

_UNSENT = "; nothing was sent"
"""How the text of a fault ends if it is certain that the service saw nothing of the request."""


class Fault(Enum):
    """Why no answer came, or no whole one; the value is what a user reads."""

    NOT_SENT = f"no connection{_UNSENT}"
    UNKNOWN_HOST = f"the host name is unknown{_UNSENT}"
    PROXY = f"no connection to the proxy{_UNSENT}"
    UNKNOWN_PROXY = f"the host name of the proxy is unknown{_UNSENT}"
    NO_SOCKS = f"a SOCKS proxy needs the package PySocks{_UNSENT}"
    PROXY_LOGIN = f"the proxy asks for a user name and a password (HTTP 407){_UNSENT}"
    NO_TUNNEL = f"the proxy does not connect to this host{_UNSENT}"
    UNTRUSTED = f"the certificate of the server is not trusted{_UNSENT}"
    OUTDATED = f"the certificate of the server is not trusted: it has expired{_UNSENT}"
    EARLY = f"the certificate of the server is not trusted: it is not valid yet{_UNSENT}"
    OTHER_HOST = f"the certificate of the server is not trusted: it is for another host{_UNSENT}"
    NO_TOKEN = f"the token service gave no answer{_UNSENT}"
    NO_TLS = "the server does not speak TLS on this port"
    TLS = "the server and this machine agree on no version or cipher of TLS"
    CLIENT_CERTIFICATE = "the server asks for a client certificate"
    NO_HTTP = "the reply is not HTTP"
    TIMEOUT = "no answer in time"
    BROKEN = "the connection broke"
    STOPPED = f"the run stops{_UNSENT}"
    ENDLESS = "the answer has no end"
    UNASKED = "unexpected bytes arrived; the connection is closed"

    @property
    def nothing_was_sent(self) -> bool:
        """Whether it is certain that the service saw nothing of the request.

        An error of TLS is not certain: it may come amid a connection.
        """
        return self.value.endswith(_UNSENT)

    @property
    def may_pass(self) -> bool:
        """Whether another attempt may do better."""
        return self not in _LASTING

    @property
    def hint(self) -> str | None:
        """What to do about it, where the fault says that much."""
        return _HINTS.get(self)


_LASTING = frozenset(
    {
        Fault.NO_SOCKS,
        Fault.PROXY_LOGIN,
        Fault.UNTRUSTED,
        Fault.OUTDATED,
        Fault.EARLY,
        Fault.OTHER_HOST,
        Fault.NO_TLS,
        Fault.TLS,
        Fault.CLIENT_CERTIFICATE,
        Fault.ENDLESS,
    }
)

_PROXY = "look at HTTPS_PROXY or ALL_PROXY; NO_PROXY names the hosts that are reached without it"

_HINTS = {
    Fault.UNKNOWN_HOST: "check the spelling of the endpoint and the DNS of this machine; if only a"
    " proxy resolves the name, set HTTPS_PROXY",
    Fault.PROXY: _PROXY,
    Fault.UNKNOWN_PROXY: _PROXY,
    Fault.NO_SOCKS: "install requests[socks], or name an HTTP proxy in HTTPS_PROXY",
    Fault.PROXY_LOGIN: "write HTTPS_PROXY as http://USER:PASSWORD@HOST:PORT",
    Fault.NO_TUNNEL: "let the proxy allow CONNECT to this host and port, or name it in NO_PROXY",
    Fault.UNTRUSTED: "give the file of the authority that signed it as the CA bundle, in"
    " REQUESTS_CA_BUNDLE",
    Fault.OUTDATED: "renew the certificate of the server, and look at the clock of this machine",
    Fault.EARLY: "look at the clock of this machine and at that of the server",
    Fault.OTHER_HOST: "write the endpoint with a host name that the certificate of the server has",
    Fault.NO_TLS: "look at the port; plain http is allowed to this machine only",
    Fault.TLS: "the server must offer TLS 1.2 or 1.3, and may not ask for a client certificate",
    Fault.CLIENT_CERTIFICATE: "reconciler presents none: use an endpoint that does not ask for one",
    Fault.NO_HTTP: "check the port; if the server speaks TLS there, write https",
}


class AttemptError(LiveError):
    """One attempt failed; ``may_pass`` says whether another one may do better.

    ``retry_after`` is in seconds, as the server asked.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        retry_after: float | None = None,
        may_pass: bool = True,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        self.may_pass = may_pass


class NoAnswerError(AttemptError):
    """No answer came, or it broke off."""

    def __init__(
        self, fault: Fault, *, request_id: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(fault.value, hint=hint or fault.hint, may_pass=fault.may_pass)
        self.fault = fault
        self.request_id = request_id


class UnexpectedReplyError(AttemptError):
    """The answer is about something else than was asked, as one to another request would be."""


_OF_LIBRARIES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


class MappedFaults:
    """Turns whatever `requests`, urllib3 and the socket raise in its block into `NoAnswerError`.

    Every request has two: as a class it takes half the time of a generator.
    """

    __slots__ = ("_request_id",)

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, _OF_LIBRARIES):
            # Its text is dropped on purpose: it may quote a URL or a part of a body.
            raise NoAnswerError(fault_of(error), request_id=self._request_id) from error


def fault_of(error: BaseException) -> Fault:
    """Classify an error of a library by the innermost cause that says something certain.

    Whatever is not known to have failed before the request was sent counts as BROKEN.
    """
    causes = list(_causes(error))
    for kinds, fault in _FAULTS:
        if cause := next((cause for cause in causes if isinstance(cause, kinds)), None):
            return fault if isinstance(fault, Fault) else fault(cause, causes)
    return Fault.BROKEN


def _untrusted(error: BaseException, _: object) -> Fault:
    return _VERIFICATION.get(getattr(error, "verify_code", 0), Fault.UNTRUSTED)


_VERIFICATION = {
    9: Fault.EARLY,  # X509_V_ERR_CERT_NOT_YET_VALID
    10: Fault.OUTDATED,  # X509_V_ERR_CERT_HAS_EXPIRED
    62: Fault.OTHER_HOST,  # X509_V_ERR_HOSTNAME_MISMATCH
    64: Fault.OTHER_HOST,  # X509_V_ERR_IP_ADDRESS_MISMATCH
}
"""OpenSSL's reasons, in x509_vfy.h, that are no lack of an authority."""


def _of_proxy(_: BaseException, causes: Sequence[BaseException]) -> Fault:
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Fault.UNKNOWN_PROXY
    # The status is only in the text, which is that of `http.client`.
    refusal = next((refusal for cause in causes if (refusal := _NO_TUNNEL.match(str(cause)))), None)
    if refusal is not None:
        return Fault.PROXY_LOGIN if refusal["status"] == "407" else Fault.NO_TUNNEL
    # urllib3 says the same of a connection that breaks later, with the request sent.
    return Fault.PROXY if any(isinstance(cause, _UNCONNECTED) for cause in causes) else Fault.BROKEN


_UNCONNECTED = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    requests.ConnectTimeout,
)
"""Refused, no route, no such host."""

_NO_TUNNEL = re.compile(r"Tunnel connection failed: (?P<status>[0-9]{3})")


def _unsent(_: BaseException, causes: Sequence[BaseException]) -> Fault:
    unknown = any(isinstance(cause, socket.gaierror) for cause in causes)
    return Fault.UNKNOWN_HOST if unknown else Fault.NOT_SENT


def _of_tls(error: BaseException, _: object) -> Fault:
    reason = getattr(error, "reason", None) or ""
    return next(
        (fault for end, fault in _TLS_REASONS.items() if reason.endswith(end)), Fault.BROKEN
    )


_TLS_REASONS = {
    "WRONG_VERSION_NUMBER": Fault.NO_TLS,
    "ALERT_CERTIFICATE_REQUIRED": Fault.CLIENT_CERTIFICATE,
    "ALERT_HANDSHAKE_FAILURE": Fault.TLS,
    "ALERT_PROTOCOL_VERSION": Fault.TLS,
    "UNSUPPORTED_PROTOCOL": Fault.TLS,
}
"""How OpenSSL's reasons end; what is before depends on the version of the protocol."""


def _of_status_line(error: BaseException, _: object) -> Fault:
    closed = isinstance(error, http.client.RemoteDisconnected)
    return Fault.BROKEN if closed else Fault.NO_HTTP


_Kinds = tuple[type[BaseException], ...]
_Chosen = Callable[[BaseException, Sequence[BaseException]], Fault]

_FAULTS: tuple[tuple[_Kinds, Fault | _Chosen], ...] = (
    ((ssl.SSLCertVerificationError,), _untrusted),
    ((UnaskedError,), Fault.UNASKED),
    ((EndlessError,), Fault.ENDLESS),
    ((requests.exceptions.InvalidSchema,), Fault.NO_SOCKS),
    # The endpoint is a valid name; so it is that of the proxy which cannot be looked up.
    ((urllib3.exceptions.LocationValueError,), Fault.UNKNOWN_PROXY),
    ((urllib3.exceptions.ProxyError,), _of_proxy),
    (_UNCONNECTED, _unsent),
    ((urllib3.exceptions.ReadTimeoutError, requests.ReadTimeout, TimeoutError), Fault.TIMEOUT),
    ((ssl.SSLError,), _of_tls),
    ((http.client.BadStatusLine,), _of_status_line),
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and the errors that it wraps as argument, reason or cause."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__]
