"""What a store may send: prepared, checked against the provider's patterns, and retried."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from reconciler.errors import LiveError, PreflightError, ReadOnlyError
from reconciler.live.http.answer import Answer, Stream
from reconciler.live.http.channel import Channel, RequestKind
from reconciler.live.http.faults import AttemptError, NoAnswerError, UnexpectedReplyError
from reconciler.live.http.file_body import FileBody
from reconciler.live.http.labels import AuditLabels
from reconciler.live.http.message import Message, target_of
from reconciler.live.http.retry import RETRYABLE_STATUSES, Retrying

T = TypeVar("T")

UID = r"(?![0-9.]{65})[0-9]+(?:\.[0-9]+)*"
"""The pattern of a UID in a path (PS3.5 section 9.1), leading zeros let through."""

_IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Guards:
    """The whole paths, built from a store's own address, that go beyond a plain read request.

    ``delete`` is the one form of path that a DELETE may have: that of one instance. ``question``
    is the one path to which a planning transport may POST, since it changes nothing, ``store``
    the one to which a DICOM file may be sent.
    """

    delete: re.Pattern[str]
    question: re.Pattern[str]
    store: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Call:
    """A read request: a GET, a POST if there is a ``body``, or a HEAD for only the headers."""

    kind: RequestKind
    path: str
    query: str = ""
    accept: str = "application/json"
    encoding: str = "gzip"
    body: bytes | FileBody | None = None
    content_type: str = "application/json"
    head: bool = False

    @property
    def method(self) -> str:
        """The verb."""
        if self.head:
            return "HEAD"
        return "GET" if self.body is None else "POST"


class Transport:
    """The requests of one store; ``read_only`` is how planning gets it."""

    def __init__(
        self,
        channel: Channel,
        guards: Guards,
        retrying: Retrying,
        *,
        read_only: bool,
        labels: AuditLabels | None = None,
    ) -> None:
        self._channel = channel
        self._guards = guards
        self._retrying = retrying
        self._read_only = read_only
        self._labels = labels.headers() if labels else {}
        self._is_apart = False

    def labelled(self, labels: AuditLabels) -> Transport:
        """The same, with these labels on every request."""
        return Transport(
            self._channel, self._guards, self._retrying, read_only=self._read_only, labels=labels
        )

    def apart(self) -> Transport:
        """The same, with a connection of its own for each read request."""
        other = copy(self)
        other._is_apart = True
        return other

    @property
    def origin(self) -> str:
        """The endpoint's origin, for messages."""
        return self._channel.endpoint.origin

    @property
    def is_in_doubt(self) -> bool:
        """Whether some reply was not that of its request; no connection is used twice since."""
        return self._channel.is_in_doubt

    def pause(self, seconds: float) -> bool:
        """Wait between two read requests that belong together; whether the run stops."""
        return self._retrying.pause(seconds)

    def read(self, call: Call, reader: Callable[[Stream], T]) -> T:
        """Ask, and give what ``reader`` makes of the answer; both are repeated as one.

        Raises:
            AttemptError: no usable answer after all attempts.
            CredentialsError: no token is to be had.
        """
        return self._retrying.call(lambda: self._read_once(call, reader))

    def open(self, call: Call) -> Stream:
        """Ask, and give the answer open; what breaks later is the reader's. Raises as `read`."""
        return self._retrying.call(lambda: self._ask(call))

    def preflight(self, call: Call) -> Answer:
        """Ask what must be known before anything else.

        Raises:
            PreflightError: no usable answer after all attempts.
            CredentialsError: no token is to be had.
        """
        try:
            return self.read(call, Stream.answer)
        except AttemptError as error:
            raise PreflightError(
                f"{self.origin} could not be asked: {error}",
                hint=error.hint
                or "look at the network, and at scheme, host and port of the endpoint",
            ) from error

    def delete(self, path: str) -> Answer:
        """Send one DELETE, once. This is the only place of the project that sends the verb.

        Raises:
            ReadOnlyError: this transport was made for planning.
            LiveError: the prepared URL is not that of an instance; nothing was sent.
            NoAnswerError: no answer came, or a broken one.
            CredentialsError: no token is to be had; nothing was sent.
        """
        if self._read_only:
            raise ReadOnlyError("a transport made for planning was asked to delete")
        message = self._message("DELETE", Call(RequestKind.DELETE, path))
        _check_deletable(message, self._guards.delete)
        with self._channel.send(message, RequestKind.DELETE) as stream:
            return stream.answer()

    def store(self, path: str, body: FileBody, *, accept: str) -> Answer:
        """Send one DICOM file, once.

        Raises:
            ReadOnlyError: this transport was made for planning.
            LiveError: the prepared URL is not the store's; nothing was sent.
            NoAnswerError: no answer came, or a broken one.
            CredentialsError: no token is to be had; nothing was sent.
        """
        if self._read_only:
            raise ReadOnlyError("a transport made for planning was asked to store")
        call = Call(
            RequestKind.STORE,
            path,
            accept=accept,
            body=body,
            content_type=body.content_type,
        )
        message = self._message(call.method, call)
        _check_storable(message, self._guards.store)
        with self._channel.send(message, RequestKind.STORE) as stream:
            return stream.answer()

    def _read_once(self, call: Call, reader: Callable[[Stream], T]) -> T:
        with self._ask(call) as stream:
            try:
                return reader(stream)
            except UnexpectedReplyError as error:
                # On a connection of its own the next reply is that of its request.
                error.may_pass = self._channel.doubt()
                raise

    def _ask(self, call: Call) -> Stream:
        stream = self._send(call)
        if stream.status == HTTPStatus.UNAUTHORIZED and self._channel.identity.may_renew:
            _discard(stream)
            stream = self._send(call)
        if stream.status in RETRYABLE_STATUSES:
            _discard(stream)
            raise AttemptError(f"HTTP {stream.status}", retry_after=stream.retry_after)
        if stream.is_encoded and call.encoding == _IDENTITY:
            stream.close()
            raise AttemptError("the answer is encoded, which was not asked for", may_pass=False)
        return stream

    def _send(self, call: Call) -> Stream:
        message = self._message(call.method, call)
        if self._read_only and message.method != "GET":
            _check_question(message, self._guards.question)
        return self._channel.send(message, call.kind, apart=self._is_apart)

    def _message(self, method: str, call: Call) -> Message:
        headers = {"Accept": call.accept, "Accept-Encoding": call.encoding, **self._labels}
        if call.body is not None:
            headers["Content-Type"] = call.content_type
            headers["Content-Length"] = str(len(call.body))
        try:
            target = target_of(call.path, call.query)
        except ValueError as error:
            raise LiveError(
                f"refused to send a request whose path changes on the way: {call.path!r}",
                hint="every UID must be digits with single dots between them",
            ) from error
        return Message(method, target, headers, call.body)


def _check_question(message: Message, allowed: re.Pattern[str]) -> None:
    if message.method != "POST" or allowed.fullmatch(message.target) is None:
        raise ReadOnlyError(f"a transport made for planning was asked to {message.method}")


def _check_deletable(message: Message, allowed: re.Pattern[str]) -> None:
    if allowed.fullmatch(message.target) is None:
        raise LiveError(
            f"refused to send a DELETE that does not name one instance: {message.target!r}",
            hint="nothing was sent; whole series and studies are never deleted by one request",
        )


def _check_storable(message: Message, allowed: re.Pattern[str]) -> None:
    if allowed.fullmatch(message.target) is None:
        raise LiveError(f"refused to send a DICOM file to {message.target!r}; nothing was sent")


def _discard(stream: Stream) -> None:
    """Be done with an answer that does not count, keeping the connection if that is cheap."""
    with stream, suppress(NoAnswerError):
        stream.drain()
