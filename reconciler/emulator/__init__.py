"""An embedded DICOM store that speaks the wire of the Cloud Healthcare API, on loopback only.

For the demo, for tests and for benchmarks::

    with running_emulator(EmulatorSettings(data_dir)) as emulator:
        emulator.ingest(DEMO_STORE, Path("image.dcm"))
        requests.get(f"{emulator.url}/v1/{DEMO_STORE}/dicomWeb/studies")

It keeps DICOM files on disk and an SQLite index of them, breaks on request (`Faults`), and logs
every request. `run` serves until a signal, `serve` on the caller's event loop.
"""

from reconciler.emulator.faulty.faults import DELETION, FaultKind, FaultRule, Faults
from reconciler.emulator.http.request_log import RequestRecord
from reconciler.emulator.serving import run, serve
from reconciler.emulator.settings import (
    ALL_PERMISSIONS,
    DEMO_STORE,
    EmulatorSettings,
    ErrorShape,
    Permission,
)
from reconciler.emulator.storage.parsing import NotDicomError
from reconciler.emulator.storage.store import AlreadyStoredError
from reconciler.emulator.thread import Emulator, running_emulator

__all__ = [
    "ALL_PERMISSIONS",
    "DELETION",
    "DEMO_STORE",
    "AlreadyStoredError",
    "Emulator",
    "EmulatorSettings",
    "ErrorShape",
    "FaultKind",
    "FaultRule",
    "Faults",
    "NotDicomError",
    "Permission",
    "RequestRecord",
    "run",
    "running_emulator",
    "serve",
]
