"""Kills, stalls and takeovers among processes that apply one plan with one bucket.

The bucket is a folder, by the same protocol. ``RECONCILER_TAKEOVERS`` is how many rounds are
played; each has its own seed, so that one that fails can be played again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import verify
from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.journal.history import History
from reconciler.journal.places.bucket import BucketState
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import Intent
from reconciler.journal.state import RUNS
from reconciler.objects.disk import Disk

from ..chaos.sites import Ended, Site, ended, running_site, wait_until

ROUNDS = int(os.environ.get("RECONCILER_TAKEOVERS", "4"))
PLANNED = 24
LOCKED, INCOMPLETE = 5, 4
PROGRAM = (
    "-c",
    "import reconciler.journal.places.bucket as state; state.REQUEST_TIMEOUT = 0.5;"
    " from reconciler.cli.main import main; main()",
)
"""The program, with requests that take no longer than this: the store's answers take 0.05 s."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "bucket").mkdir()
    with running_site(tmp_path) as running:
        running.environment["RECONCILER_STATE"] = (tmp_path / "bucket").as_uri()
        running.prepare(planned=PLANNED)
        running.emulator.set_faults(Faults((FaultRule(FaultKind.LATENCY, "DELETE", seconds=0.05),)))
        yield running


def start(site: Site) -> subprocess.Popen[str]:
    return site.start("apply", "plan.json", "--parallelism", "2", "--lease", "0.5", program=PROGRAM)


def state_of(site: Site) -> BucketState:
    return BucketState(Disk(site.folder.parent / "bucket"), lambda: datetime.now(UTC))


def require_no_harm(site: Site) -> None:
    """No fork, no DELETE without a durable intent, nothing touched that was not planned."""
    wait_until(lambda: all(one.status is not None for one in site.emulator.requests()))
    intents: Counter[str] = Counter()
    for file in state_of(site).run_files(RUNS):
        intents.update(
            site.path_of(one.instance) for one in RunRecords(file) if isinstance(one, Intent)
        )
    sent = Counter(one.path for one in site.deletes())
    assert sent <= intents, sent - intents
    assert set(sent) <= {site.path_of(one) for one in site.planned}
    assert site.unplanned <= site.content()
    found = verify(Snapshot.take(state_of(site)))
    assert [one for one in found.findings if one.kind.is_corruption] == []


def require_all_done(site: Site) -> None:
    """The plan was carried out once, and one run accounts for all of it."""
    require_no_harm(site)
    assert site.content() == site.unplanned
    effects = Counter(one.path for one in site.deletes() if one.changed)
    assert set(effects.values()) == {1}
    history = History.read(state_of(site))
    ends = [read.ended for read in history.runs if read.ended is not None]
    completed = [one for one in ends if one.state.is_final]
    assert len(completed) == 1
    assert sum(completed[0].counts.values()) == PLANNED


def finish(site: Site) -> Ended:
    """Apply until nobody else holds the store.

    A lease of half a second may be lost on a busy machine too; the same command goes on.
    """
    for _ in range(20):
        done = ended(start(site))
        if done.code not in {LOCKED, INCOMPLETE}:
            return done
    raise AssertionError(done)


def test_another_machine_goes_on_after_kill_9(site: Site) -> None:
    first = start(site)
    wait_until(lambda: len(site.deletes()) >= 4, during=first)
    first.kill()
    first.communicate()
    require_no_harm(site)
    done = finish(site)
    assert done.code == 0, done
    require_all_done(site)


def test_who_wakes_up_after_a_takeover_deletes_nothing_more(site: Site) -> None:
    first = start(site)
    wait_until(lambda: len(site.deletes()) >= 4, during=first)
    first.send_signal(signal.SIGSTOP)
    done = finish(site)
    assert done.code == 0, done
    before = len(site.deletes())
    first.send_signal(signal.SIGCONT)
    woken = ended(first)
    assert woken.code == INCOMPLETE, woken
    assert "another run" in woken.err + woken.out
    assert len(site.deletes()) - before <= 2  # --parallelism
    require_no_harm(site)
    assert site.content() == site.unplanned


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_any_kills_and_stalls_leave_one_record(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    stopped: list[subprocess.Popen[str]] = []
    for _ in range(3):
        children = [start(site) for _ in range(chance.randint(1, 3))]
        time.sleep(chance.uniform(0.8, 2.5))
        for child in children:
            if child.poll() is not None:
                continue
            match chance.choice(("kill", "stop", "stall", "leave")):
                case "kill":
                    child.kill()
                case "stop":
                    child.send_signal(signal.SIGSTOP)
                    stopped.append(child)
                case "stall":
                    child.send_signal(signal.SIGSTOP)
                    time.sleep(chance.uniform(0.1, 1.2))
                    child.send_signal(signal.SIGCONT)
    done = finish(site)
    for child in stopped:
        child.send_signal(signal.SIGCONT)
        ended(child)
    done = finish(site)
    assert done.code == 0, done
    require_all_done(site)
