from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from pydicom import data

from reconciler.emulator import DEMO_STORE, Emulator, EmulatorSettings, running_emulator
from reconciler.model.address import InstanceAddress, StoreAddress


@dataclass(frozen=True)
class Site:
    """A running emulator, a client for it, and the CT image that its demo store holds."""

    emulator: Emulator
    session: requests.Session
    ct: InstanceAddress
    ct_bytes: bytes

    def url(self, below: object = "", store: StoreAddress = DEMO_STORE) -> str:
        return f"{self.emulator.url}/v1/{store}{below}"

    def web(self, below: object = "", store: StoreAddress = DEMO_STORE) -> str:
        return self.url(f"/dicomWeb{below}", store)

    def get(self, below: object, **options: object) -> requests.Response:
        return self.session.get(self.web(below), timeout=5, **options)

    def delete(self, below: object) -> requests.Response:
        return self.session.delete(self.web(below), timeout=5)


@pytest.fixture(scope="session")
def ct_path() -> Path:
    return Path(data.__file__).parent / "test_files" / "CT_small.dcm"


@pytest.fixture(scope="session")
def launch(ct_path: Path) -> Callable[[EmulatorSettings], AbstractContextManager[Site]]:
    """Runs an emulator whose first store holds the CT image."""

    @contextmanager
    def launched(settings: EmulatorSettings) -> Iterator[Site]:
        with running_emulator(settings) as emulator, requests.Session() as session:
            session.trust_env = False
            ct = emulator.ingest(settings.stores[0], ct_path)
            yield Site(emulator, session, ct, ct_path.read_bytes())

    return launched


@pytest.fixture
def start(
    tmp_path: Path, launch: Callable[[EmulatorSettings], AbstractContextManager[Site]]
) -> Iterator[Callable[..., Site]]:
    """Starts an emulator with the settings given, to run until the test ends."""
    with ExitStack() as stack:

        def started(**settings: object) -> Site:
            chosen = EmulatorSettings(**({"data_dir": tmp_path / "data"} | settings))
            return stack.enter_context(launch(chosen))

        yield started


@pytest.fixture
def site(start: Callable[..., Site]) -> Site:
    return start()
