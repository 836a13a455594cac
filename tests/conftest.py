"""What holds for all tests."""

from __future__ import annotations

import os
import sys

from reconciler.cli.ci import github


def pytest_configure() -> None:
    """The tests may run in a step of GitHub Actions; what they run is no part of it.

    Where the environment forbids bytecode, as images of Python often do, each of the hundreds of
    processes that the tests start would compile the program anew: two seconds in place of half
    a second.
    """
    for name in (*github.VARIABLES, "PYTHONDONTWRITEBYTECODE"):
        os.environ.pop(name, None)
    sys.dont_write_bytecode = False
