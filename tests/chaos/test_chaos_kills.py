"""``kill -9`` at any moment: nothing unplanned happens, nothing is lost, the same apply resumes."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.model.outcome import RunState

from ..waiting import wait_until_answered
from .evidence import require_all_done, require_no_harm, runs_of
from .sites import Site, ended, killed, running_site, wait_until

KILLS = int(os.environ.get("RECONCILER_CHAOS_KILLS", "50"))
"""Over all rounds; thousands for a night."""
SEED = int(os.environ.get("RECONCILER_CHAOS_SEED", "1"))
ROUNDS = 5
PLANNED = 60


def storm(seed: int) -> Faults:
    """Every way in which the real service is known to fail for a moment."""

    def on_delete(fault: FaultKind, probability: float, **rest: object) -> FaultRule:
        return FaultRule(fault, "DELETE", probability=probability, **rest)  # type: ignore[arg-type]  # the rule's own types

    return Faults(
        (
            on_delete(FaultKind.STATUS, 0.04, status=429),
            on_delete(FaultKind.STATUS, 0.06, status=503),
            on_delete(FaultKind.STATUS, 0.08, status=503, after_effect=True),
            on_delete(FaultKind.RESET, 0.04),
            on_delete(FaultKind.RESET, 0.06, after_effect=True),
            on_delete(FaultKind.LATENCY, 0.3, seconds=0.03),
            FaultRule(FaultKind.STATUS, "GET", status=503, probability=0.03),
            FaultRule(FaultKind.RESET, "GET", probability=0.03),
        ),
        latency=0.003,
        search_lag=2.0,
        seed=seed,
    )


def moment(site: Site, draw: random.Random) -> Callable[[], bool]:
    """When to kill: by the clock, by what reached the store, or by what the journal holds.

    By the clock hits the start-up, and the end; the others hit the work.
    """
    begun, deletes, size = time.monotonic(), len(site.deletes()), journal_size(site)
    match draw.randrange(4):
        case 0:
            after = draw.uniform(0.0, 2.0)
            return lambda: time.monotonic() - begun >= after
        case 1:
            reached = draw.randrange(1, 12)
            return lambda: len(site.deletes()) - deletes >= reached
        case _:
            grown = draw.randrange(1, 6000)
            return lambda: journal_size(site) - size >= grown


def journal_size(site: Site) -> int:
    return sum(path.stat().st_size for path in site.runs.glob("*.jsonl"))


def kill_at(child: subprocess.Popen[str], is_due: Callable[[], bool]) -> bool:
    """Whether the kill came before the end of the process."""
    while child.poll() is None:
        if is_due():
            return killed(child)
        time.sleep(0.001)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("number", range(ROUNDS))
def test_kill_9_at_any_moment_and_the_same_apply_resumes(number: int, tmp_path: Path) -> None:
    """After each kill, and at the end, request log, content and journal tell one story.

    Tried out: it fails in every round with the intent written after its DELETE, without settling
    what a killed run left open, and without taking over what it has on record.
    """
    draw = random.Random(f"{SEED}:{number}")
    kills = 0
    for story in range(KILLS):
        with running_site(tmp_path / str(story)) as site:
            site.prepare(planned=PLANNED)
            site.emulator.set_faults(storm(draw.randrange(1 << 30)))
            kills += apply_under_fire(site, draw, at_most=KILLS // ROUNDS - kills)
        if kills >= KILLS // ROUNDS:
            return
    raise AssertionError("too few of the kills came before the end")


def apply_under_fire(site: Site, draw: random.Random, *, at_most: int) -> int:
    """Kill and resume until the apply ends, or it was killed so often; how often it was."""
    kills = 0
    while kills < at_most:
        child = site.start_apply()
        was_killed = kill_at(child, moment(site, draw))
        require_no_harm(site)
        if not was_killed:
            assert ended(child).code == 0
            break
        kills += 1
    else:
        assert site.apply().code == 0
    require_all_done(site)
    assert runs_of(site)[-1].ended.state is RunState.COMPLETED
    return kills


def test_an_intent_is_on_record_before_its_delete_reaches_the_store(site: Site) -> None:
    """Seen from outside at the moment itself: the store has the request, and never answers.

    Tried out: it fails with the intent written after its DELETE.
    """
    site.prepare(planned=8)
    site.emulator.set_faults(Faults((site.once_proven(FaultRule(FaultKind.HANG)),)))
    child = site.start_apply()
    wait_until(lambda: len(site.deletes()) == 1 + 4, during=child)
    runs = require_no_harm(site)
    assert sum(run.intents.total() for run in runs) == 1 + 4
    assert killed(child)
    assert len(site.planned - site.content()) == 1
    site.emulator.set_faults(Faults())
    site.resume()
    require_all_done(site)


def test_an_operation_that_was_met_before_a_kill_is_not_forgotten(site: Site) -> None:
    """Something larger than an instance is being deleted: no later apply goes on with the plan.

    Tried out: without the look at earlier runs, the same apply deletes the rest.
    """
    site.prepare(planned=8)
    operation = FaultRule(FaultKind.OPERATION, "DELETE", times=1)
    busy = FaultRule(FaultKind.STATUS, "DELETE", status=503, retry_after=50)
    unseen = FaultRule(FaultKind.HANG, "GET", path=r"/studies/1\..*/metadata$")
    site.emulator.set_faults(Faults((operation, busy, unseen)))
    child = site.start_apply()
    wait_until(lambda: b'"operation"' in journal_of(site), during=child)
    assert killed(child)
    site.emulator.set_faults(Faults())
    wait_until_answered(site.emulator)
    sent = len(site.deletes())
    done = site.apply()
    assert done.code == 4, done
    assert len(site.deletes()) == sent
    assert require_no_harm(site)[-1].ended.state is RunState.ABORTED
    assert site.apply().code == 4
    assert len(site.deletes()) == sent


def journal_of(site: Site) -> bytes:
    return b"".join(path.read_bytes() for path in site.runs.glob("*.jsonl"))
