"""Two applies at once are one too many: one works, the other says who does.

Tried out: without taking the lock, all of them fail.
"""

from __future__ import annotations

import re
import signal
import subprocess
from datetime import UTC, datetime

import pytest

from reconciler.emulator import FaultKind, FaultRule, Faults

from .evidence import require_all_done, require_no_harm
from .sites import Ended, Site, address, ended, killed, wait_until

LOCKED = 5


def start_and_freeze(site: Site) -> subprocess.Popen[str]:
    """An apply in the middle of its work, which holds the lock until it is thawed."""
    site.emulator.set_faults(Faults((FaultRule(FaultKind.LATENCY, "DELETE", seconds=0.2),)))
    child = site.start_apply()
    wait_until(site.deletes, during=child)
    child.send_signal(signal.SIGSTOP)
    return child


def thaw(child: subprocess.Popen[str]) -> Ended:
    child.send_signal(signal.SIGCONT)
    return ended(child)


def require_locked(done: Ended, pid: int) -> None:
    """It says who holds the lock and since when, and did nothing."""
    assert done.code == LOCKED, done
    told = re.search(r"process (\d+), run \S+, since ([0-9: -]+) UTC", done.err)
    assert told is not None, done.err
    assert int(told[1]) == pid
    since = datetime.strptime(told[2], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert 0 <= (datetime.now(UTC) - since).total_seconds() < 120


def test_the_same_plan_is_applied_by_one_of_two(site: Site) -> None:
    site.prepare(planned=12)
    first = start_and_freeze(site)
    require_locked(site.run("apply", "plan.json"), first.pid)
    assert thaw(first).code == 0
    require_all_done(site)
    assert len(site.deletes()) == 12


@pytest.mark.slow
def test_another_plan_for_the_same_store_waits_its_turn(site: Site) -> None:
    site.prepare(planned=12)
    other = address(1, 1, 20)
    assert other in site.unplanned
    site.write("../other.yaml", [other])
    site.plan("other.yaml", "--out", "other.json")
    first = start_and_freeze(site)
    require_locked(site.run("apply", "other.json"), first.pid)
    assert thaw(first).code == 0
    assert other in site.content()
    require_all_done(site)


def test_kill_9_of_the_holder_frees_the_lock(site: Site) -> None:
    site.prepare(planned=12)
    site.emulator.set_faults(Faults((FaultRule(FaultKind.HANG, "DELETE"),)))
    first = site.start_apply()
    wait_until(site.deletes, during=first)
    require_locked(site.run("apply", "plan.json"), first.pid)
    assert killed(first)
    require_no_harm(site)
    site.emulator.set_faults(Faults())
    site.resume()
    require_all_done(site)


def test_of_many_that_start_together_one_deletes_each_instance(site: Site) -> None:
    """Whoever comes after the end reports what the first one did."""
    site.prepare(planned=12)
    site.emulator.set_faults(Faults(latency=0.02))
    codes = [ended(child).code for child in [site.start_apply() for _ in range(3)]]
    assert set(codes) <= {0, LOCKED}
    assert 0 in codes
    assert len(site.deletes()) == 12
    require_all_done(site)
