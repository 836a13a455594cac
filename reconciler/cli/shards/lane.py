"""One shard after the other, in this process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from reconciler import __version__
from reconciler.applying.apply import Apply
from reconciler.applying.run import RunSettings
from reconciler.applying.stopping import Stop
from reconciler.cli import environment
from reconciler.cli.output.console import say
from reconciler.cli.runs.archives import require_archives_outside
from reconciler.cli.runs.shared import VERIFY_SECONDS, retry_budget
from reconciler.cli.shards.order import Applied, Order
from reconciler.journal.state import State
from reconciler.live.connection import Connection
from reconciler.live.http.rate import Memory
from reconciler.model.outcome import InstanceResult
from reconciler.model.plan import SavedPlan
from reconciler.model.provenance import Provenance
from reconciler.model.shards.manifest import Shard
from reconciler.planning.acceptance import require_key, require_nothing_kept, require_unexpired
from reconciler.planning.gates import gates_of, require_passed_gates
from reconciler.planning.shards.manifest_file import read_shard


class Lane:
    """Applies shards, each as a run of its own, over one connection."""

    def __init__(
        self,
        order: Order,
        state: State,
        connection: Connection,
        stop: Stop,
        on_result: Callable[[InstanceResult], None],
    ) -> None:
        self._order = order
        self._state = state
        self._connection = connection
        self._stop = stop
        self._on_result = on_result

    def apply(self, shard: Shard) -> Applied:
        """Read a shard and apply it; raises as `Apply.run`, and as `read_shard`."""
        order = self._order
        saved = read_shard(order.folder, order.manifest, shard)
        require_archives_outside(saved.plan, self._state)
        applied = Apply(
            saved=saved,
            stores={one.store: self._connection.store(one.store) for one in saved.plan.stores},
            state=self._state,
            settings=self._settings(),
            nobody=self._connection.nobody(),
            accept=lambda _: self._require_acceptable(saved),
            stop=self._stop,
            now=environment.now,
            on_result=self._on_result,
            on_wait=say,
            provenance=lambda: Provenance(
                self._connection.principal,
                environment.requester(),
                saved.plan.inputs,
                saved.git,
            ),
            patient_key=order.patient_key,
        ).run()
        return Applied(shard.number, applied.report, applied.is_earlier, applied.bags)

    def _require_acceptable(self, saved: SavedPlan) -> None:
        """What is of the whole was checked once; the rest is of each shard."""
        require_unexpired(saved, environment.now())
        require_key(saved, self._order.patient_key)
        require_nothing_kept(saved, self._order.keeps)
        require_passed_gates(gates_of(saved))

    def _settings(self) -> RunSettings:
        run = environment.new_run_name(environment.now())
        return RunSettings(
            run=run,
            holder=environment.holder(run),
            tool_version=__version__,
            budget=retry_budget(VERIFY_SECONDS),
            parallelism=self._order.access.parallelism,
            stop_after=self._order.stop_after,
            lease=self._order.lease,
        )


def connect(
    order: Order, stop: Stop, memory: Memory | None = None
) -> AbstractContextManager[Connection]:
    """Open what all shards of a process share; ``memory`` is that of the rate of all processes."""
    provider = environment.provider_of(store.store for store in order.manifest.plan.stores)
    return environment.connect(
        environment.endpoint(order.access.endpoint, provider),
        order.access,
        provider=provider,
        read_only=False,
        stop=stop.event,
        rate_memory=memory,
    )
