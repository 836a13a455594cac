"""One shard after the other, in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.api import machine
from reconciler.api.archives import require_archives_outside
from reconciler.api.running import run_settings
from reconciler.api.shards.checking import require_acceptable_shard
from reconciler.api.shards.order import Order
from reconciler.applying.apply import Applied, Apply
from reconciler.applying.run import RunSettings
from reconciler.applying.stopping import Stop
from reconciler.journal.state import State
from reconciler.live.connection import Connection
from reconciler.model.outcome import InstanceResult
from reconciler.model.provenance import Provenance
from reconciler.model.shards.manifest import Shard
from reconciler.objects.path import AnyPath
from reconciler.planning.shards.manifest_file import read_shard


@dataclass(frozen=True, slots=True)
class Lane:
    """Applies shards, each as a run of its own, over one connection."""

    order: Order
    folder: AnyPath
    state: State
    connection: Connection
    stop: Stop
    on_result: Callable[[InstanceResult], None]
    note: Callable[[str], None]

    def apply(self, shard: Shard) -> Applied:
        """Read a shard and apply it; raises as `Apply.run`, and as `read_shard`."""
        order, connection = self.order, self.connection
        saved = read_shard(self.folder, order.manifest, shard)
        require_archives_outside(saved.plan, self.state)
        return Apply(
            saved=saved,
            stores={one.store: connection.store(one.store) for one in saved.plan.stores},
            state=self.state,
            settings=self._settings(),
            nobody=connection.nobody(),
            accept=lambda _: require_acceptable_shard(saved, order),
            stop=self.stop,
            now=machine.now,
            on_result=self.on_result,
            on_wait=self.note,
            provenance=lambda: Provenance(
                connection.principal, order.requester, saved.plan.inputs, saved.git
            ),
            patient_key=order.patient_key,
        ).run()

    def _settings(self) -> RunSettings:
        return run_settings(
            machine.new_run_name(machine.now()),
            parallelism=self.order.service.parallelism,
            stop_after=self.order.stop_after,
            lease=self.order.lease,
        )
