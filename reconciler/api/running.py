"""What an apply and a restore share: how patient they are, and who hears of their outcomes."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler import __version__
from reconciler.api import machine
from reconciler.api.listener import Listener
from reconciler.applying.run import RunSettings
from reconciler.applying.sending import RetryBudget
from reconciler.live.http.retry import RetryPolicy
from reconciler.model.outcome import InstanceResult

VERIFY_SECONDS = 30.0
"""How long an instance that is not yet as it should be after a request is looked for again."""

STOP_AFTER = 10
LEASE = 10.0


def run_settings(
    run: str, *, parallelism: int, lease: float, task: str | None = None
) -> RunSettings:
    """How the run of this name goes about it."""
    return RunSettings(
        run=run,
        holder=machine.holder(run),
        tool_version=__version__,
        budget=retry_budget(VERIFY_SECONDS),
        parallelism=parallelism,
        lease=lease,
        task=task,
    )


def retry_budget(verify_for: float) -> RetryBudget:
    """The default policy, with randomness from this machine; ``verify_for`` is in seconds."""
    policy, random = RetryPolicy(), machine.jitter()
    lock = threading.Lock()

    def backoff(attempt: int, retry_after: float | None) -> float:
        with lock:
            jitter = random.random()
        return policy.wait(attempt, retry_after=retry_after, jitter=jitter)

    return RetryBudget(backoff, policy.deadline, verify_for)


@contextmanager
def reported_results(
    title: str, total: int, listener: Listener
) -> Iterator[Callable[[InstanceResult], None]]:
    """Report each result to the listener, with the progress that it is."""
    done = itertools.count(1)
    with listener.step(title) as update:

        def on_result(result: InstanceResult) -> None:
            update(next(done), total)
            listener.result(result)

        yield on_result
