"""An emulator in a thread of its own, for tests, benchmarks and the demo."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from reconciler.emulator.application import Application
from reconciler.emulator.faulty.faults import Faults
from reconciler.emulator.http.request_log import RequestRecord
from reconciler.emulator.serving import serving
from reconciler.emulator.settings import EmulatorSettings
from reconciler.emulator.storage.parsing import parse_file
from reconciler.emulator.synthetic import template
from reconciler.model.address import InstanceAddress, SeriesAddress, StoreAddress

_BATCH = 500
"""Instances that are stored at once, so that requests in between need not wait long."""
_Result = TypeVar("_Result")


class Emulator:
    """A running emulator, to be steered from any thread; ``url`` is its origin.

    Stores are those of the settings, or added by `add_store`; others are a KeyError.
    """

    def __init__(self, application: Application, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self._application = application
        self._storage = application.service.storage
        self._loop = loop

    def ingest(self, store: StoreAddress, source: Path | bytes) -> InstanceAddress:
        """Put a DICOM file into a store, without HTTP.

        Raises:
            NotDicomError: it is not a DICOM file that a store can keep.
            AlreadyStoredError: the store holds it already.
        """
        arrived = self._storage.files.new_incoming()
        try:
            arrived.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
            parsed = parse_file(arrived, store)
            self._call(lambda: self._storage.add(self._number(store), [(arrived, parsed)]))
        finally:
            arrived.unlink(missing_ok=True)
        return parsed.address

    def ingest_synthetic(
        self, store: StoreAddress, series: SeriesAddress, uids: Iterable[str], *, edge: int = 4
    ) -> None:
        """Put small images of ``edge`` by ``edge`` pixels into a store, thousands per second.

        Raises:
            AlreadyStoredError: the store holds one of them already; those before it are stored.
        """
        files = self._storage.files
        made = template(store, *series, edge, files.new_incoming())
        remaining = iter(uids)
        while batch := list(islice(remaining, _BATCH)):
            arrivals = [made.arrival(uid, files.new_incoming()) for uid in batch]
            self._call(partial(self._storage.add, self._number(store), arrivals))

    def instances(self, store: StoreAddress) -> set[InstanceAddress]:
        """What the store holds right now."""
        found = self._call(lambda: self._storage.index.below(self._number(store), ()))
        return {instance.address for instance in found}

    def requests(self) -> list[RequestRecord]:
        """The requests since the start or the last `clear_requests`."""
        return self._call(self._application.log.since)

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._call(self._application.log.clear)

    def set_faults(self, faults: Faults) -> None:
        """Put other faults in force; ``Faults()`` ends them all."""
        self._call(lambda: self._application.service.injector.set(faults))

    def revoke_tokens(self) -> None:
        """Put every token that was issued out of force."""
        self._call(self._application.tokens.revoke_all)

    def add_store(self, store: StoreAddress) -> None:
        """Create a store, if it does not exist."""
        self._call(lambda: self._storage.catalogue.add_store(store))

    def _number(self, store: StoreAddress) -> int:
        number = self._storage.catalogue.number(store)
        if number is None:
            raise KeyError(str(store))
        return number

    def _call(self, function: Callable[[], _Result]) -> _Result:
        """Run a function on the thread of the event loop, where alone the index may be used."""

        async def work() -> _Result:
            return function()

        return asyncio.run_coroutine_threadsafe(work(), self._loop).result()


@contextmanager
def running_emulator(settings: EmulatorSettings) -> Iterator[Emulator]:
    """Run an emulator in a thread of its own until the block ends.

    Raises:
        OSError: the port is taken, or the folder cannot be written.
    """
    started: Future[tuple[Emulator, Callable[[], object]]] = Future()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        async with serving(settings) as (application, url):
            emulator = Emulator(application, url, loop)
            started.set_result((emulator, lambda: loop.call_soon_threadsafe(stop.set)))
            await stop.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except OSError as error:
            started.set_exception(error)

    thread = threading.Thread(target=run, name="emulator", daemon=True)
    thread.start()
    emulator, stop = started.result()
    try:
        yield emulator
    finally:
        stop()
        thread.join()
