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

DEFAULT_PAGE_SIZE = 5000
"""Rows a page of a search: what the Healthcare API allows for studies and series."""


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """How to reach the service; times are in seconds.

    ``credentials`` are what the provider's variables hold, by their names. ``proxies`` is what
    ``urllib.request.getproxies()`` gives, ``ca_bundle`` a PEM file instead of certifi's;
    ``max_qps`` is in requests per second, None for no limit. ``rate_memory`` is where the limit
    stands that several processes share.
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
    page_size: int = DEFAULT_PAGE_SIZE
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_bundle: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.parallelism <= MAX_PARALLELISM:
            raise ValueError(f"parallelism must be 1 to {MAX_PARALLELISM}: {self.parallelism}")
        if self.max_qps is not None and not self.max_qps > 0:
            raise ValueError(f"max_qps must be positive: {self.max_qps}")
