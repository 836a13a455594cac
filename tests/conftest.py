"""What holds for all tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

from reconciler.cli.ci import github

MEMORY = Path("/dev/shm")
ENOUGH = 4 * 1024**3


def pytest_configure() -> None:
    """Keep what the tests run apart from the machine that runs them, and let it be quick.

    They may run in a step of GitHub Actions, which what they run is no part of. Where the
    environment forbids bytecode, as images of Python often do, each of the hundreds of processes
    that they start would compile the program again, at two seconds in place of half a second. And
    they wait for the disk most of their time: each line of a journal is an fsync, which no test
    can see the effect of. How long an example takes says how busy the machine is, and no more.
    """
    settings.register_profile(
        "busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("busy machine")
    for name in (*github.VARIABLES, "PYTHONDONTWRITEBYTECODE"):
        os.environ.pop(name, None)
    sys.dont_write_bytecode = False
    if is_fit(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def is_fit(folder: Path) -> bool:
    """Whether the tests' files can lie there: with space, and where scripts may be run."""
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= ENOUGH and not found.f_flag & os.ST_NOEXEC
