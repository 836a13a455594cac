"""How a service is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.live.http.bounds import Bounds
from reconciler.live.http.endpoint import Endpoint
from reconciler.live.http.rate import Memory
from reconciler.live.http.retry import RetryPolicy
from reconciler.model.address import DEFAULT_PROVIDER, Provider

DEFAULT_PARALLELISM = 32
MAX_PARALLELISM = 64
"""More threads than this make one client slower, not faster."""


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """How to reach the service; times are in seconds.

    ``credentials`` are what the provider's variables hold, by their names; without them, and with
    ``default_credentials``, those that the provider's library finds. ``proxies`` is what
    ``urllib.request.getproxies()`` gives, ``ca_bundle`` a PEM file instead of certifi's;
    ``max_qps`` is in requests per second, None for no limit; ``page_size`` the rows of every page
    of a search, None for as many as the provider's documentation allows. ``rate_memory`` is where
    several processes keep the limit that they share.
    """

    endpoint: Endpoint
    read_only: bool
    provider: Provider = DEFAULT_PROVIDER
    user_agent: str = "reconciler"
    parallelism: int = DEFAULT_PARALLELISM
    max_qps: float | None = None
    rate_memory: Memory | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    connect_timeout: float = 10.0
    bounds: Bounds = field(default_factory=Bounds)
    page_size: int | None = None
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    default_credentials: bool = True
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_bundle: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.parallelism <= MAX_PARALLELISM:
            raise ValueError(f"parallelism must be 1 to {MAX_PARALLELISM}: {self.parallelism}")
        if self.max_qps is not None and not self.max_qps > 0:
            raise ValueError(f"max_qps must be positive: {self.max_qps}")
