"""``reconciler emulator``."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from reconciler.cli.options.given_file import read_given
from reconciler.cli.options.path_type import PATH
from reconciler.cli.output.console import say
from reconciler.emulator import DEMO_STORE, EmulatorSettings, Faults, run
from reconciler.emulator.faulty.fault_json import faults_from_json
from reconciler.errors import ExitCode, ReconcilerError, UsageError
from reconciler.model.address import StoreAddress


def _parse_store(name: str) -> StoreAddress:
    try:
        address = StoreAddress.parse(name)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if address.provider is not DEMO_STORE.provider:
        raise click.BadParameter(f"the embedded store does not speak as {address.provider} does")
    return address


@click.command(name="emulator")
@click.option(
    "--data",
    type=PATH,
    metavar="DIR",
    help="The folder with the DICOM files and the index [default: a new temporary one].",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 for a free port.")
@click.option(
    "--store",
    "stores",
    type=_parse_store,
    multiple=True,
    metavar="NAME",
    help="The resource name of a DICOM store to serve; repeatable.",
)
@click.option("--require-token", is_flag=True, help="Answer 401 without a token from /token.")
@click.option(
    "--faults",
    "faults_file",
    type=PATH,
    metavar="FILE",
    help="The initial faults, as JSON; PUT /_emulator/faults changes them.",
)
@click.option(
    "--latency", type=click.FloatRange(min=0), metavar="SECONDS", help="Delay of answers."
)
@click.option(
    "--search-lag",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long searches still list deleted instances.",
)
@click.option(
    "--request-log",
    type=PATH,
    metavar="FILE",
    help="Append every request as a line of JSON.",
)
def command(
    *,
    data: Path | None,
    port: int,
    stores: tuple[StoreAddress, ...],
    require_token: bool,
    faults_file: Path | None,
    latency: float | None,
    search_lag: float | None,
    request_log: Path | None,
) -> int:
    """Serve an embedded DICOM store on loopback, for experiments.

    It speaks the protocol of the Cloud Healthcare API and can inject faults. Its first line of
    output is its origin; SIGINT ends it.

    \b
    Examples:
      reconciler emulator --data store --port 8042
      curl -X PUT localhost:8042/_emulator/faults -d '{"latency": 0.1}'
    """
    folder = data if data is not None else Path(tempfile.mkdtemp(prefix="reconciler-store-"))
    stores = stores or (DEMO_STORE,)
    settings = EmulatorSettings(
        folder,
        stores=stores,
        port=port,
        faults=_faults(faults_file, latency, search_lag),
        require_token=require_token,
        request_log=request_log,
    )
    try:
        run(settings, lambda origin: _announce(origin, folder, stores))
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise ReconcilerError(
            f"the emulator cannot serve: {error.strerror or error}{where}"
        ) from error
    return ExitCode.SUCCESS


def _announce(origin: str, folder: Path, stores: tuple[StoreAddress, ...]) -> None:
    click.echo(origin)
    for store in stores:
        say(f"serving {store} from {folder}")


def _faults(path: Path | None, latency: float | None, search_lag: float | None) -> Faults:
    faults = Faults()
    if path is not None:
        try:
            faults = faults_from_json(json.loads(read_given(path).decode()))
        except ValueError as error:
            raise UsageError(f"{path} does not describe faults: {error}") from error
    if latency is not None:
        faults = replace(faults, latency=latency)
    if search_lag is not None:
        faults = replace(faults, search_lag=search_lag)
    return faults
