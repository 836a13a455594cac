"""How many examples the properties try."""

from __future__ import annotations

import os
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, settings

DEPTH = int(os.environ.get("RECONCILER_PROPERTY_DEPTH", "1"))
"""So many times as many examples; 1 tries the same ones each time, more tries random ones."""


def tried(examples: int, *, depth: int = DEPTH) -> Callable[..., Callable[..., None]]:
    """Settings for a property that drives real requests: reproducible.

    A test that is split into ``DEPTH`` parts, for several workers, asks for a depth of 1 in each.
    """
    return settings(
        max_examples=examples * depth,
        derandomize=DEPTH == 1,
        database=None,
        print_blob=True,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
