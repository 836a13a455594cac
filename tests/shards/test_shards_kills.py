"""Random kills of workers, coordinators, both and tasks: exact sums, and one account.

``RECONCILER_SHARD_KILLS`` is how many of each victim are killed in each place, while they delete.
"""

from __future__ import annotations

import os
import random
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.emulator import FaultKind, FaultRule, Faults

from ..chaos.sites import wait_until
from .sharded_site import ShardedSite, ended, running_sharded_site
from .test_shards_apply import workers_of

KILLS = int(os.environ.get("RECONCILER_SHARD_KILLS", "2"))
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
@pytest.mark.parametrize("victim", ["worker", "coordinator", "both", "task"])
@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_any_kills_leave_exact_sums_and_one_account(
    tmp_path: Path, place: str, victim: str
) -> None:
    draw = random.Random(f"{place}:{victim}")
    kills = 0
    for story in range(10 * KILLS):
        if kills >= KILLS:
            return
        (folder := tmp_path / str(story)).mkdir()
        with running_sharded_site(
            folder, studies=6, each=8, in_bucket=place == "bucket"
        ) as sharded:
            sharded.lease = "3"
            sharded.site.emulator.set_faults(FIRE)
            for _ in range(3):
                kills += apply_and_kill(sharded, victim, draw)
                sharded.require_no_harm()
            sharded.site.emulator.set_faults(Faults())
            done = sharded.finish("--processes", draw.choice(("1", "2")))
            assert done.code == 0, done
            sharded.require_all_done()
    raise AssertionError("too few of the kills came before the end")


def apply_and_kill(sharded: ShardedSite, victim: str, draw: random.Random) -> bool:
    """Whether somebody was killed who was at work: the command may have nothing left to delete."""
    if victim == "task":
        children = [sharded.start("--shard", f"{number}/2") for number in (1, 2)]
    else:
        children = [sharded.start("--processes", "2")]
    due = len(sharded.site.deletes()) + draw.randrange(1, 24)
    wait_until(
        lambda: (
            len(sharded.site.deletes()) >= due or any(one.poll() is not None for one in children)
        )
    )
    workers = workers_of(children[0])
    if victim == "worker":
        killed = workers and [draw.choice(workers)]
    else:
        both = victim == "both" or (victim == "task" and draw.random() < 0.5)
        killed = [one.pid for one in (children if both else children[:1])]
        killed += workers if victim == "both" else []
    was_at_work = all(one.poll() is None for one in children)
    for process in killed:
        kill(process)
    for child in children:
        ended(child)
    return bool(killed) and was_at_work
