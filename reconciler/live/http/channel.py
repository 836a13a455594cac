"""The one way out to the service: shared by all stores and all threads of a run."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus

from urllib3 import Timeout

from reconciler.live.http.adapter import SharedContextAdapter
from reconciler.live.http.answer import Stream
from reconciler.live.http.bounds import STEP, Bounds, Stopping, Term
from reconciler.live.http.concurrency import ConcurrencyLimit
from reconciler.live.http.endpoint import Endpoint
from reconciler.live.http.exchange import AnsweredWithin
from reconciler.live.http.faults import Fault, MappedFaults, NoAnswerError
from reconciler.live.http.identity import Identity
from reconciler.live.http.message import Message
from reconciler.live.http.numbers import read_retry_after
from reconciler.live.http.rate import RateLimiter
from reconciler.model.traffic import Traffic


class RequestKind(StrEnum):
    """What a request is for, as it is counted."""

    PREFLIGHT = "preflight"
    PROBE = "probe"
    METADATA = "metadata"
    SEARCH = "search"
    RETRIEVE = "retrieve"
    RENDER = "render"
    STORAGE = "storage"
    LOOKUP = "lookup"
    DELETE = "delete"
    STORE = "store"
    FACT = "fact"


_CHANGES = frozenset({RequestKind.DELETE, RequestKind.STORE})
"""The kinds with connections of their own: what follows their reply is never read as a proof."""

_SMALL = frozenset(
    {
        RequestKind.PREFLIGHT,
        RequestKind.PROBE,
        RequestKind.STORAGE,
        RequestKind.LOOKUP,
        RequestKind.DELETE,
    }
)
"""The kinds whose answers end within one time in all; the others within one by their size."""

_IMAGES = frozenset({RequestKind.RETRIEVE})

_OF_ONE_SIZE = frozenset({RequestKind.PROBE, RequestKind.DELETE})
"""The kinds whose answers take equally long, so that late ones tell something of the store."""


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """``connect_timeout`` is in seconds, ``bounds`` are those of every answer."""

    user_agent: str
    connect_timeout: float
    bounds: Bounds


class Channel:
    """Sends prepared requests to one endpoint, and to no other.

    It goes straight to the adapter instead of through a `requests` session: a session would walk
    the environment twice for every request (0.4 ms, more with many variables), let a .netrc
    replace the token, and follow redirects. Proxies and CA bundle are decided once instead.
    ``reads`` and ``changes`` hold the connections of either sort of request, ``apart`` those of
    requests that have one each; ``doubt`` is set where a reply was not that of its request.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: ChannelSettings,
        *,
        reads: SharedContextAdapter,
        changes: SharedContextAdapter,
        apart: SharedContextAdapter,
        doubt: threading.Event,
        identity: Identity,
        limiter: RateLimiter,
        concurrency: ConcurrencyLimit,
        request_ids: Callable[[], str],
        now: Callable[[], datetime],
        stopping: Stopping,
    ) -> None:
        self.endpoint = endpoint
        self.identity = identity
        self._settings = settings
        self._reads = reads
        self._changes = changes
        self._apart = apart
        self._doubt = doubt
        self._limiter = limiter
        self._concurrency = concurrency
        self._request_ids = request_ids
        self._now = now
        self._stopping = stopping
        self._lock = threading.Lock()
        self._sent: Counter[str] = Counter()
        self._first = self._last = 0.0

    @property
    def traffic(self) -> Traffic:
        """What was asked so far, and how the service bore it."""
        with self._lock:
            requests = dict(self._sent)
            seconds = max(self._last - self._first, 1.0)
        rate = self._limiter.rate
        return Traffic(
            requests,
            per_second=round(sum(requests.values()) / seconds),
            throttled=self._limiter.throttled,
            rate_limit=None if rate is None else max(1, round(rate)),
            most_parallelism=self._concurrency.most,
            lowest_parallelism=self._concurrency.lowest,
            parallelism=self._concurrency.limit,
        )

    def send(self, message: Message, kind: RequestKind, *, apart: bool = False) -> Stream:
        """Send exactly once and give the answer as soon as its headers are there.

        ``apart`` is on a connection of its own.

        Raises:
            NoAnswerError: no answer came.
            CredentialsError: no credentials for it are to be had; nothing was sent.
        """
        identity = self.identity.headers()
        request_id = self._request_ids()
        own = {"X-Request-Id": request_id, "User-Agent": self._settings.user_agent}
        headers = {**message.headers, **identity, **own}
        signed = Message(message.method, message.target, headers, message.body)
        left = self._limiter.acquire()
        with self._concurrency.one(kind if kind in _OF_ONE_SIZE else None):
            self._count(kind)
            adapter = self._changes if kind in _CHANGES else self._reads
            stream = self._exchange(self._apart if apart else adapter, signed, request_id, kind)
        self._learn(stream, left, identity)
        return stream

    @property
    def is_in_doubt(self) -> bool:
        """Whether no connection is used twice any more."""
        return self._doubt.is_set()

    def doubt(self) -> bool:
        """Use no connection twice from now on; whether that is new."""
        is_new = not self._doubt.is_set()
        self._doubt.set()
        return is_new

    def close(self) -> None:
        """Close the idle connections."""
        self._reads.close()
        self._changes.close()
        self._apart.close()

    def _exchange(
        self,
        adapter: SharedContextAdapter,
        message: Message,
        request_id: str,
        kind: RequestKind,
    ) -> Stream:
        term = self._term(kind)
        connecting = term.left(self._settings.connect_timeout)
        if not connecting:
            raise NoAnswerError(Fault.STOPPED, request_id=request_id)
        # The term bounds every wait for the answer; with its step, no wait sets another timeout.
        timeout = Timeout(connect=connecting, read=STEP)
        with MappedFaults(request_id), AnsweredWithin(term):
            response = adapter.send_once(message, timeout)
        retry_after = read_retry_after(response.headers.get("Retry-After"), self._now())
        return Stream(response, request_id=request_id, retry_after=retry_after, term=term)

    def _term(self, kind: RequestKind) -> Term:
        """How long the answer to a request of this kind may take, from now on."""
        bounds = self._settings.bounds
        if kind in _SMALL:
            return Term.of_small(bounds, self._stopping)
        if kind in _IMAGES:
            return Term(bounds, self._stopping, rate=bounds.image_rate, size=bounds.image_size)
        return Term(bounds, self._stopping, rate=bounds.json_rate, size=bounds.json_size)

    def _learn(self, stream: Stream, left: float, identity: Mapping[str, str]) -> None:
        if stream.is_throttled:
            self._limiter.note_throttled(left, stream.retry_after)
            return
        self._limiter.passed()
        if stream.status == HTTPStatus.UNAUTHORIZED:
            self.identity.reject(identity)

    def _count(self, kind: RequestKind) -> None:
        now = time.monotonic()
        with self._lock:
            self._sent[kind] += 1
            self._first = self._first or now
            self._last = now
