"""Random kills of workers, of the coordinator, of both: exact sums, and one account.

``RECONCILER_SHARD_KILLS`` is how many rounds are played; each has its own seed.
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.emulator import FaultKind, FaultRule, Faults

from .sharded_site import ended, running_sharded_site
from .test_shards_apply import workers_of

ROUNDS = int(os.environ.get("RECONCILER_SHARD_KILLS", "3"))
FIRE = Faults(
    (
        FaultRule(FaultKind.LATENCY, "DELETE", seconds=0.05),
        FaultRule(FaultKind.STATUS, "DELETE", status=503, probability=0.05),
        FaultRule(FaultKind.STATUS, "DELETE", status=503, after_effect=True, probability=0.05),
        FaultRule(FaultKind.RESET, "DELETE", after_effect=True, probability=0.05),
    )
)


def kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder", "bucket"])
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_any_kills_leave_exact_sums_and_one_account(tmp_path: Path, place: str, seed: int) -> None:
    draw = random.Random(f"{place}:{seed}")
    with running_sharded_site(tmp_path, studies=6, each=8, in_bucket=place == "bucket") as sharded:
        sharded.lease = "3"
        sharded.site.emulator.set_faults(FIRE)
        for _ in range(3):
            how = draw.choice(("processes", "tasks"))
            if how == "processes":
                children = [sharded.start("--processes", "2")]
            else:
                children = [sharded.start("--shard", f"{number}/2") for number in (1, 2)]
            time.sleep(draw.uniform(1.0, 6.0))
            for child in children:
                workers = workers_of(child)
                match draw.choice(("worker", "coordinator", "both", "nobody")):
                    case "worker":
                        kill(draw.choice(workers) if workers else child.pid)
                    case "coordinator":
                        kill(child.pid)
                    case "both":
                        kill(child.pid)
                        for worker in workers:
                            kill(worker)
            for child in children:
                ended(child)
            sharded.require_no_harm()
        sharded.site.emulator.set_faults(Faults())
        done = sharded.finish("--processes", draw.choice(("1", "2")))
        assert done.code == 0, done
        sharded.require_all_done()
