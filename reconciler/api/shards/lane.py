"""One shard after the other, in this process."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.api import machine
from reconciler.api.archives import require_archives_outside
from reconciler.api.running import run_settings
from reconciler.api.shards.order import Order, Reports
from reconciler.applying.apply import Applied, Apply
from reconciler.applying.stopping import Stop
from reconciler.errors import Refused
from reconciler.journal.history import History
from reconciler.journal.state import State
from reconciler.live.connection import Connection
from reconciler.model.plan import SavedPlan
from reconciler.model.provenance import Provenance
from reconciler.model.shards.manifest import Shard
from reconciler.objects.path import AnyPath
from reconciler.planning.acceptance import require_key, require_unexpired
from reconciler.planning.gates import gates_of, require_passed_gates
from reconciler.planning.shards.manifest_file import read_shard


@dataclass(frozen=True, slots=True)
class Lane:
    """Applies shards, each as a run of its own, over one connection."""

    order: Order
    folder: AnyPath
    state: State
    connection: Connection
    stop: Stop
    reports: Reports

    def read(self, shard: Shard) -> SavedPlan:
        """Read a shard; raises as `read_shard`, and UsageError for an archive in the state."""
        saved = read_shard(self.folder, self.order.manifest, shard)
        require_archives_outside(saved.plan, self.state)
        return saved

    def apply(self, shard: Shard, refusal: Refused | None = None) -> Applied:
        """Read a shard and apply it; raises as `Apply.run`, and as `read`.

        ``refusal`` is that of the whole: it is raised after what an earlier run left open is
        settled.
        """
        order, connection = self.order, self.connection
        saved = self.read(shard)
        settles_all = shard.number == order.settles_all
        stores = order.manifest.plan.stores if settles_all else saved.plan.stores

        def accept(_: History) -> None:
            if refusal is not None:
                raise refusal
            require_acceptable_shard(saved, order)

        return Apply(
            saved=saved,
            stores={one.store: connection.store(one.store) for one in stores},
            state=self.state,
            settings=run_settings(
                machine.new_run_name(machine.now()),
                parallelism=order.service.parallelism,
                lease=order.lease,
                task=order.task,
            ),
            nobody=connection.nobody(),
            accept=accept,
            stop=self.stop,
            now=machine.now,
            on_result=self.reports.on_result,
            on_wait=self.reports.note,
            tried=self.reports.tried,
            provenance=lambda: Provenance(
                connection.principal, order.requester, saved.plan.inputs, saved.git
            ),
            patient_key=order.patient_key,
            settles_all=settles_all,
        ).run()


def require_acceptable_shard(saved: SavedPlan, order: Order) -> None:
    """Refuse a shard that the world has left behind; the whole is checked besides.

    Raises:
        PlanRefused: it has expired, or is bound by another key.
        GatesBlocking: a gate of it is blocking.
    """
    require_unexpired(saved, machine.now())
    require_key(saved, order.patient_key)
    require_passed_gates(gates_of(saved))
