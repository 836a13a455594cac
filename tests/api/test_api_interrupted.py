"""Ctrl-C in a notebook: no handler of ours, so KeyboardInterrupt comes into a function's midst."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace

import pytest

import reconciler
from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults

from ..cli.conftest import LIMITS_OPEN, REASON, address, head, removal
from ..waiting import wait_until
from .conftest import Site

MANY = [address(2, 1, number) for number in range(40)]


@pytest.fixture
def saved(site: Site) -> reconciler.Plan:
    uids = [one.instance_uid for one in MANY]
    site.emulator.ingest_synthetic(DEMO_STORE, MANY[0].series, uids)
    text = head() + REASON + LIMITS_OPEN + removal(MANY)
    (site.folder / "specs" / "a.yaml").write_text(text, encoding="utf-8")
    return site.plan()


def apply(site: Site, saved: reconciler.Plan) -> reconciler.Applied:
    service = replace(site.service, parallelism=4)
    return reconciler.apply(saved, site.project, service, digest=saved.digest)


def test_nothing_is_sent_once_apply_was_interrupted(site: Site, saved: reconciler.Plan) -> None:
    """The lock is free by then, and another run may work on the store."""
    before = set(threading.enumerate())
    site.emulator.set_faults(Faults((FaultRule(FaultKind.LATENCY, "DELETE", seconds=0.3),)))

    def interrupt() -> None:
        wait_until(lambda: site.deletes() > 5)
        os.kill(os.getpid(), signal.SIGINT)

    killer = threading.Thread(target=interrupt)
    killer.start()
    with pytest.raises(KeyboardInterrupt):
        apply(site, saved)
    killer.join()
    left = [one.name for one in threading.enumerate() if one not in before]
    assert [name for name in left if name.startswith("worker-")] == []
    site.emulator.set_faults(Faults())
    done = apply(site, saved)
    assert done.report.is_success
    assert done.report.resumed
    assert not site.content() & set(MANY)
