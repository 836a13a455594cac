"""Runs an emulator on an event loop."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from reconciler.emulator.application import Application
from reconciler.emulator.call import Service
from reconciler.emulator.faulty.fault_injector import FaultInjector
from reconciler.emulator.http.request_log import RequestLog
from reconciler.emulator.settings import EmulatorSettings
from reconciler.emulator.storage.store import Storage

_SECONDS_TO_FINISH = 1.0
"""How long requests in flight may take when the emulator stops."""

_SECONDS_TO_ABORT = 0.01
"""How long the event loop goes on, so that it closes the sockets of what was cut off."""


@asynccontextmanager
async def serving(settings: EmulatorSettings) -> AsyncIterator[tuple[Application, str]]:
    """Serve until the block ends; gives the application and its origin, without a slash."""
    with _listener(settings) as listener:
        application = _application(settings)
        server = web.Server(application.handle, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=_SECONDS_TO_FINISH)
        try:
            await runner.setup()
            await web.SockSite(runner, listener, ssl_context=settings.ssl_context).start()
            yield application, _origin(settings, runner)
        finally:
            application.stopping.set()
            await _stop_accepting(listener)
            transports = [connection.transport for connection in server.connections]
            await runner.cleanup()
            await _abort(transports)
            application.log.close()
            application.service.storage.close()


def _listener(settings: EmulatorSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family)


async def _stop_accepting(listener: socket.socket) -> None:
    """Let the connections that were accepted reach their protocol; take no others.

    asyncio would leave a connection open that is accepted in the turn in which the server closes
    (CPython issue 109564).
    """
    asyncio.get_running_loop().remove_reader(listener)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def _abort(transports: Iterable[asyncio.Transport | None]) -> None:
    """Cut off what is still open: a TLS connection would wait for its client's farewell."""
    for transport in transports:
        if transport is not None:
            transport.abort()
    await asyncio.sleep(_SECONDS_TO_ABORT)


def _application(settings: EmulatorSettings) -> Application:
    monotonic = time.monotonic
    storage = Storage(settings.data_dir, settings.stores, monotonic)
    service = Service(settings, storage, FaultInjector(settings.faults, monotonic))
    return Application(service, RequestLog(settings.request_log), monotonic)


def _origin(settings: EmulatorSettings, runner: web.ServerRunner) -> str:
    scheme = "http" if settings.ssl_context is None else "https"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{runner.addresses[0][1]}"


async def serve(
    settings: EmulatorSettings, ready: Callable[[str], None], stop: asyncio.Event
) -> None:
    """Serve until ``stop`` is set; ``ready`` is called with the origin once requests can come."""
    async with serving(settings) as (_, origin):
        ready(origin)
        await stop.wait()


def run(settings: EmulatorSettings, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; only in the main thread."""
    asyncio.run(_serve_until_signal(settings, on_ready))


async def _serve_until_signal(settings: EmulatorSettings, on_ready: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, on_ready, stop)
