"""What runs share: how patient they are, who hears of them, and the call that an apply is."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from reconciler import __version__
from reconciler.api import machine
from reconciler.api.listener import Listener
from reconciler.api.service import Service
from reconciler.applying.run import RunSettings
from reconciler.applying.sending import RetryBudget
from reconciler.applying.stopping import Stop
from reconciler.journal.history import History
from reconciler.journal.state import State
from reconciler.live.http.retry import RetryPolicy
from reconciler.model.outcome import InstanceResult, Outcome
from reconciler.model.patient import PatientKey
from reconciler.model.plan import SavedPlan
from reconciler.model.provenance import Requester
from reconciler.outside_memory import Database
from reconciler.planning.shards.keeps import Keeps

VERIFY_SECONDS = 30.0
"""How long an instance that is not yet as it should be after a request is looked for again."""

STOP_AFTER = 10
LEASE = 10.0

Accept: TypeAlias = Callable[[History], None]
"""Gets the record as it stands before; raises `Refused` where the plan may not go on."""
AcceptShards: TypeAlias = Callable[[History, Iterable[SavedPlan], Database], Keeps]
"""As `Accept`, of a plan in shards, with the shards that are left; what it returns, and keeps in
the database, is what the files keep."""


@dataclass(slots=True)
class Call:
    """One call of `reconciler.apply`, whatever its plan.

    ``tried`` gets the outcome of each instance that something was sent for. ``principal`` is who
    the service says that the caller is, once that was asked.
    """

    state: State
    service: Service
    settings: RunSettings
    stop: Stop
    tried: Callable[[Outcome], None]
    patient_key: PatientKey | None
    requester: Requester | None
    listener: Listener
    principal: str | None = None


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
