"""One ground for all examples of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .harness import Ground, running_ground


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with running_ground(tmp_path_factory.mktemp("ground")) as running:
        yield running
