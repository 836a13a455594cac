"""What all stores of a run share: endpoint, credentials, connections and rate."""

from __future__ import annotations

import random
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import assert_never

from reconciler.errors import LiveError
from reconciler.live.http.adapter import SharedContextAdapter, tls_context
from reconciler.live.http.bounds import Bounds, Stopping, Term
from reconciler.live.http.channel import Channel, ChannelSettings
from reconciler.live.http.concurrency import ConcurrencyLimit
from reconciler.live.http.credentials import load_token
from reconciler.live.http.endpoint import Endpoint
from reconciler.live.http.identity import BasicIdentity, Identity
from reconciler.live.http.rate import RateLimiter
from reconciler.live.http.retry import Retrying, RetryPolicy
from reconciler.live.http.transport import Guards, Transport
from reconciler.live.providers.google import store as healthcare
from reconciler.live.providers.google.store import HealthcareStore
from reconciler.live.providers.orthanc import store as orthanc
from reconciler.live.providers.orthanc.store import OrthancStore
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress, Provider, StoreAddress
from reconciler.model.traffic import Traffic

DEFAULT_PARALLELISM = 32
MAX_PARALLELISM = 64
"""More threads than this make one client slower, not faster."""

DEFAULT_PAGE_SIZE = 5000
"""Rows a page of a search: what the Healthcare API allows for studies and series."""


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """How to reach the service; times are in seconds.

    ``credentials_file`` is what GOOGLE_APPLICATION_CREDENTIALS names, for Google; ``username``
    and ``password`` are for Orthanc. ``proxies`` is what ``urllib.request.getproxies()`` gives,
    ``ca_bundle`` a PEM file instead of certifi's; ``max_qps`` is in requests a second, None for
    no limit.
    """

    endpoint: Endpoint
    read_only: bool
    provider: Provider = Provider.GOOGLE
    user_agent: str = "reconciler"
    parallelism: int = DEFAULT_PARALLELISM
    max_qps: float | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    connect_timeout: float = 10.0
    bounds: Bounds = field(default_factory=Bounds)
    page_size: int = DEFAULT_PAGE_SIZE
    credentials_file: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_bundle: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.parallelism <= MAX_PARALLELISM:
            raise ValueError(f"parallelism must be 1 to {MAX_PARALLELISM}: {self.parallelism}")
        if self.max_qps is not None and not self.max_qps > 0:
            raise ValueError(f"max_qps must be positive: {self.max_qps}")


class Connection:
    """One for all stores of a run; a context manager that closes the connections.

    ``now``, ``random_source`` and ``request_ids`` are the clock for Retry-After dates, the source
    of jitter and of UIDs that nothing has, and that of X-Request-Id. ``stop`` ends all waiting, so
    that what is in flight ends soon; it does not forbid further requests.

    Raises:
        CredentialsError: there are no credentials where they are needed.
        EndpointError: the CA bundle cannot be read.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        now: Callable[[], datetime],
        random_source: random.Random,
        request_ids: Callable[[], str],
        stop: threading.Event,
    ) -> None:
        self._settings = settings
        self._retrying = Retrying(settings.retry, random_source=random_source, stop=stop)
        self._random = random_source
        doubt = threading.Event()
        stopping = Stopping(stop)
        connections = partial(SharedContextAdapter, _context(settings), doubt=doubt)
        self._channel = Channel(
            settings.endpoint,
            ChannelSettings(
                settings.user_agent,
                settings.connect_timeout,
                settings.bounds,
                settings.proxies,
            ),
            # A worker that archives asks for the size of what it retrieves meanwhile.
            readings=connections(pool_maxsize=2 * settings.parallelism),
            changes=connections(pool_maxsize=settings.parallelism),
            apart=connections(pool_maxsize=settings.parallelism, reuse=False),
            doubt=doubt,
            identity=_identity(settings, partial(Term.of_small, settings.bounds, stopping)),
            limiter=RateLimiter(settings.max_qps, stop=stop),
            concurrency=ConcurrencyLimit(settings.parallelism, stop=stop),
            request_ids=request_ids,
            now=now,
            stopping=stopping,
        )

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._channel.close()

    @property
    def endpoint(self) -> Endpoint:
        """Where the service is."""
        return self._settings.endpoint

    @property
    def principal(self) -> str | None:
        """Who the service takes the caller for, where the credentials tell it."""
        return self._channel.identity.principal

    @property
    def traffic(self) -> Traffic:
        """What was asked of the service so far, and how it bore it."""
        return self._channel.traffic

    def store(self, address: StoreAddress) -> DicomStore:
        """Speak to one store.

        Raises:
            LiveError: it is of another provider, whose credentials are not these.
        """
        if address.provider is not self._settings.provider:
            raise LiveError(f"{address} is not a store of {self._settings.provider}")
        match address.provider:
            case Provider.GOOGLE:
                transport = self._transport(healthcare.guards(address))
                return HealthcareStore(
                    address, transport, page_size=self._settings.page_size, nobody=self.nobody()
                )
            case Provider.ORTHANC:
                transport = self._transport(orthanc.guards())
                return OrthancStore(address, transport, page_size=self._settings.page_size)
            case _:
                assert_never(address.provider)

    def nobody(self) -> InstanceAddress:
        """An address at which there is nothing: of new UIDs."""
        return InstanceAddress(*(self._new_uid() for _ in InstanceAddress._fields))

    def _new_uid(self) -> str:
        """A UID made of a UUID (PS3.5 section B.2), which nothing else has."""
        return f"2.25.{self._random.getrandbits(128)}"

    def _transport(self, guards: Guards) -> Transport:
        return Transport(self._channel, guards, self._retrying, read_only=self._settings.read_only)


def _identity(settings: ConnectionSettings, term: Callable[[], Term]) -> Identity:
    """The credentials of the provider, and of no other."""
    match settings.provider:
        case Provider.GOOGLE:
            return load_token(
                settings.endpoint,
                credentials_file=settings.credentials_file,
                proxies=settings.proxies,
                ca_bundle=settings.ca_bundle,
                term=term,
            )
        case Provider.ORTHANC:
            return BasicIdentity(settings.username, settings.password)
        case _:
            assert_never(settings.provider)


def _context(settings: ConnectionSettings) -> ssl.SSLContext | None:
    """The TLS context, which takes as long to build as a hundred requests, where one is needed."""
    if settings.endpoint.origin.startswith("http://"):
        return None
    return tls_context(settings.ca_bundle)
