"""What a run asked of a service, and how the service bore it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traffic:
    """The requests of a run, repeated ones included.

    ``requests`` counts them by kind; ``per_second`` is their rate from the first to the last.
    ``throttled`` is how many were answered with 429, or with 503 and Retry-After. ``rate_limit`` is
    what the rate was held to at the end, in requests per second, None for no limit.
    ``most_parallelism`` is how many were allowed in flight at first, ``lowest_parallelism`` the
    fewest that ever were, because answers came late, and ``parallelism`` how many at the end.
    """

    requests: Mapping[str, int]
    per_second: int
    throttled: int
    rate_limit: int | None
    most_parallelism: int
    lowest_parallelism: int
    parallelism: int

    @property
    def total(self) -> int:
        """How many requests were sent."""
        return sum(self.requests.values())
