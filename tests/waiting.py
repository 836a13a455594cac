"""Waits for what is to happen, however busy the machine is; no sleep of a fixed length does."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests

from reconciler.emulator import Emulator

SECONDS = 60.0
"""No wait of these tests is meant to last so long."""


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def wait_until_answered(emulator: Emulator) -> None:
    """Wait for the effect of all that was sent, by processes too that have died since."""
    requests.get(f"{emulator.url}/last", timeout=SECONDS)
    wait_until(lambda: all(one.status is not None for one in emulator.requests()))
