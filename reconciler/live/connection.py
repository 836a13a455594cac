"""What all stores of a run share: endpoint, credentials, connections and rate."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Self

from reconciler.errors import LiveError
from reconciler.live.http.adapter import SharedContextAdapter, proxies_for, tls_context
from reconciler.live.http.bounds import Stopping, Term
from reconciler.live.http.channel import Channel, ChannelSettings
from reconciler.live.http.concurrency import ConcurrencyLimit
from reconciler.live.http.endpoint import Endpoint
from reconciler.live.http.rate import RateLimiter
from reconciler.live.http.retry import Retrying
from reconciler.live.http.transport import Guards, Transport
from reconciler.live.providers.table import PROVIDERS
from reconciler.live.settings import ConnectionSettings
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.traffic import Traffic


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
        is_plain = settings.endpoint.origin.startswith("http://")
        # The context takes as long to build as a hundred requests.
        context = None if is_plain else tls_context(settings.ca_bundle)
        endpoint = settings.endpoint
        # Requests to this machine never go through a proxy.
        is_direct = endpoint.is_loopback
        proxies = {} if is_direct else proxies_for(endpoint.origin, settings.proxies)
        connections = partial(
            SharedContextAdapter, endpoint.origin, context, proxies=proxies, doubt=doubt
        )
        self._channel = Channel(
            endpoint,
            ChannelSettings(settings.user_agent, settings.connect_timeout, settings.bounds),
            # A worker that archives asks for the size of what it retrieves meanwhile.
            reads=connections(pool_maxsize=2 * settings.parallelism),
            changes=connections(pool_maxsize=settings.parallelism),
            apart=connections(pool_maxsize=settings.parallelism, reuse=False),
            doubt=doubt,
            identity=PROVIDERS[settings.provider].identity(
                settings, partial(Term.of_small, settings.bounds, stopping)
            ),
            limiter=RateLimiter(settings.max_qps, stop=stop, memory=settings.rate_memory),
            concurrency=ConcurrencyLimit(settings.parallelism, stop=stop),
            request_ids=request_ids,
            now=now,
            stopping=stopping,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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
        return PROVIDERS[address.provider].open_store(
            address, self._transport, page_size=self._settings.page_size, nobody=self.nobody
        )

    def nobody(self) -> InstanceAddress:
        """An address at which there is nothing: of UIDs made of UUIDs (PS3.5 section B.2)."""
        numbers = (self._random.getrandbits(128) for _ in InstanceAddress._fields)
        return InstanceAddress(*(f"2.25.{number}" for number in numbers))

    def _transport(self, guards: Guards) -> Transport:
        return Transport(self._channel, guards, self._retrying, read_only=self._settings.read_only)
