"""One ground for all histories of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .ground import Ground, Site, running_ground


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with running_ground(tmp_path_factory.mktemp("ground")) as running:
        yield running


@pytest.fixture
def site(ground: Ground) -> Iterator[Site]:
    made = ground.site()
    yield made
    made.end()
