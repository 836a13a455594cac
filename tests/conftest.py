"""What holds for all tests."""

from __future__ import annotations

import os

from reconciler.cli.ci import github


def pytest_configure() -> None:
    """The tests may run in a step of GitHub Actions; what they run is no part of it."""
    for name in github.VARIABLES:
        os.environ.pop(name, None)
