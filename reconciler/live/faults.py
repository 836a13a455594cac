"""What can go wrong with one attempt at a request, mapped from `requests` at one boundary."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import requests
import urllib3

from reconciler.errors import LiveError
from reconciler.live.exchange import UnaskedError


class Fault(Enum):
    """Why no answer came, or no whole one; the value is what a user reads."""

    NOT_SENT = "no connection; nothing was sent"
    UNTRUSTED = "the certificate of the server is not trusted; nothing was sent"
    NO_TOKEN = "the token service gave no answer; nothing was sent"  # noqa: S105 - not a secret
    TIMEOUT = "no answer in time"
    BROKEN = "the connection broke"
    UNASKED = "bytes came that nobody asked for; the connection is closed"

    @property
    def nothing_was_sent(self) -> bool:
        """Whether it is certain that the service saw nothing of the request."""
        return self in {Fault.NOT_SENT, Fault.UNTRUSTED, Fault.NO_TOKEN}


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

    def __init__(self, fault: Fault, *, request_id: str | None = None) -> None:
        untrusted = fault is Fault.UNTRUSTED
        hint = "give the file of the authority that signed it as the CA bundle"
        super().__init__(fault.value, hint=hint if untrusted else None, may_pass=not untrusted)
        self.fault = fault
        self.request_id = request_id


class ForeignReplyError(AttemptError):
    """The answer is about something else than was asked, as one to another request would be."""


@contextmanager
def mapped_faults(request_id: str) -> Iterator[None]:
    """Turn whatever `requests`, urllib3 and the socket raise into `NoAnswerError`."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        # The foreign text is dropped on purpose: it may quote a URL or a part of a body.
        raise NoAnswerError(fault_of(error), request_id=request_id) from error


def fault_of(error: BaseException) -> Fault:
    """Classify a foreign error by the innermost cause that says something certain.

    Whatever is not known to have failed before the request was sent counts as BROKEN.
    """
    causes = list(_causes(error))
    for kinds, fault in _FAULTS:
        if any(isinstance(cause, kinds) for cause in causes):
            return fault
    return Fault.BROKEN


_FAULTS: tuple[tuple[tuple[type[BaseException], ...], Fault], ...] = (
    ((ssl.SSLCertVerificationError,), Fault.UNTRUSTED),
    ((UnaskedError,), Fault.UNASKED),
    (
        (
            # Refused, no route, no such host, and (ProxyError) no tunnel to the service.
            urllib3.exceptions.NewConnectionError,
            urllib3.exceptions.ConnectTimeoutError,
            urllib3.exceptions.ProxyError,
            requests.ConnectTimeout,
        ),
        Fault.NOT_SENT,
    ),
    ((urllib3.exceptions.ReadTimeoutError, requests.ReadTimeout, TimeoutError), Fault.TIMEOUT),
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
