"""How long one deletion or one restore is tried, with randomness from this machine."""

from __future__ import annotations

import threading

from reconciler.applying.deletion import Patience
from reconciler.cli import environment
from reconciler.live.retry import RetryPolicy


def make_patience(reprobe_for: float) -> Patience:
    """The default policy; ``reprobe_for`` is in seconds."""
    policy, random = RetryPolicy(), environment.jitter()
    lock = threading.Lock()

    def backoff(attempt: int, retry_after: float | None) -> float:
        with lock:
            jitter = random.random()
        return policy.wait(attempt, retry_after=retry_after, jitter=jitter)

    return Patience(backoff, policy.deadline, reprobe_for)
