"""SIGINT and SIGTERM: the first lets what is in flight end, the second exits at once.

Tried out, each of these makes the tests that it concerns fail: no handlers, a second signal that
does not exit, and a run that counts as completed although a signal cut its attempts short.
"""

from __future__ import annotations

import signal
import time

import pytest

from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.journal.history import History
from reconciler.journal.places.disk import DiskState
from reconciler.model.outcome import Outcome, RunState

from .evidence import require_all_done, require_exact_account, require_no_harm, runs_of
from .sites import Site, ended, wait_until

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
IN_FLIGHT = 4
"""As many as there are workers."""


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_lets_the_requests_in_flight_end(site: Site, number: int, code: int) -> None:
    """What was sent is proven and on record, what was not sent is not attempted."""
    site.prepare(planned=20)
    slow = FaultRule(FaultKind.LATENCY, "DELETE", seconds=0.5)
    site.emulator.set_faults(Faults((slow,)))
    child = site.start_apply()
    wait_until(lambda: len(site.deletes()) >= IN_FLIGHT, during=child)
    child.send_signal(number)
    done = ended(child)
    assert done.code == code, done
    report = require_exact_account(site)
    sent = len(site.deletes())
    assert report["counts"]["deleted"] == sent
    assert report["counts"]["not_attempted"] == 20 - sent > 0
    assert report["state"] == RunState.INTERRUPTED.value
    assert report["exit_code"] == code
    assert not History.read(DiskState(site.state)).open_attempts(site.store, site.emulator.url)
    site.emulator.set_faults(Faults())
    site.resume()
    require_all_done(site)


def test_a_signal_that_cuts_an_attempt_short_leaves_it_to_the_same_apply(site: Site) -> None:
    """Everything is in flight, waiting for another attempt, when the signal comes.

    Nothing is left that was not attempted; the plan is not done with for that.
    """
    site.prepare(planned=1 + IN_FLIGHT)
    busy = site.once_proven(FaultRule(FaultKind.STATUS, status=502, retry_after=50))
    site.emulator.set_faults(Faults((busy,)))
    child = site.start_apply()
    wait_until(lambda: len(answered(site)) >= 1 + IN_FLIGHT, during=child)
    child.send_signal(signal.SIGINT)
    assert ended(child).code == 130
    report = require_exact_account(site)
    assert report["counts"][Outcome.FAILED.value] == IN_FLIGHT
    assert report["state"] == RunState.INTERRUPTED.value
    site.emulator.set_faults(Faults())
    site.resume()
    require_all_done(site)


def test_a_signal_ends_a_pause_that_the_store_asked_for(site: Site) -> None:
    """After a 503 with Retry-After no worker sends anything, each at another point of its work."""
    site.prepare(planned=20)
    busy = site.once_proven(FaultRule(FaultKind.STATUS, status=503, retry_after=50))
    site.emulator.set_faults(Faults((busy,)))
    child = site.start_apply()
    wait_until(lambda: len(answered(site)) >= 2, during=child)
    sent = time.monotonic()
    child.send_signal(signal.SIGINT)
    assert ended(child).code == 130
    assert time.monotonic() - sent < 25, "it waited for the end of the pause"
    require_exact_account(site)
    site.emulator.set_faults(Faults())
    site.resume()
    require_all_done(site)


def answered(site: Site) -> list[object]:
    return [one for one in site.deletes() if one.status is not None]


@pytest.mark.parametrize(("number", "code"), SIGNALS[1:])
def test_a_second_signal_exits_at_once(site: Site, number: int, code: int) -> None:
    """The store never answers, so that the first signal alone would be waited for."""
    site.prepare(planned=8)
    hang = site.once_proven(FaultRule(FaultKind.HANG, after_effect=True))
    site.emulator.set_faults(Faults((hang,)))
    child = site.start_apply()
    wait_until(lambda: len(site.deletes()) >= 1 + IN_FLIGHT, during=child)
    child.send_signal(number)
    assert child.stderr is not None
    assert any("a second signal exits at once" in line for line in child.stderr)
    assert child.poll() is None
    sent = time.monotonic()
    child.send_signal(number)
    assert ended(child).code == code
    assert time.monotonic() - sent < 2
    require_no_harm(site)
    assert runs_of(site)[-1].ended is None
    site.emulator.set_faults(Faults())
    site.resume()
    report = require_all_done(site)
    assert report["counts"]["absent_after_ambiguous_attempt"] == IN_FLIGHT


@pytest.mark.parametrize(("number", "code"), SIGNALS[:1])
def test_a_signal_before_the_first_delete_deletes_nothing(
    site: Site, number: int, code: int
) -> None:
    site.prepare(planned=4)
    site.emulator.clear_requests()
    site.emulator.set_faults(Faults(latency=1.0))
    child = site.start_apply()
    wait_until(site.emulator.requests, during=child)
    child.send_signal(number)
    assert ended(child).code == code
    assert not site.deletes()
    site.emulator.set_faults(Faults())
    site.resume()
    require_all_done(site)
