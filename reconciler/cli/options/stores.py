"""The store that a command line or a query names, and how it is reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import click

from reconciler.cli.environment import Access
from reconciler.cli.options.shared import together
from reconciler.errors import UsageError
from reconciler.model.address import StoreAddress

_ACCESS_OPTIONS = together(
    click.option(
        "--endpoint",
        metavar="URL",
        help="The origin of the service [env var: RECONCILER_ENDPOINT, for Orthanc"
        " RECONCILER_ORTHANC_ENDPOINT; default: https://healthcare.googleapis.com].",
    ),
    click.option(
        "--parallelism",
        type=click.IntRange(1, 64),
        default=32,
        envvar="RECONCILER_PARALLELISM",
        show_envvar=True,
        show_default=True,
        help="Requests in flight at a time.",
    ),
    click.option(
        "--max-qps",
        type=click.FloatRange(min=0, min_open=True),
        metavar="N",
        envvar="RECONCILER_MAX_QPS",
        show_envvar=True,
        help="Maximum requests per second; halved when the service answers 429.",
    ),
)


def access_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add how the store is reached; the command gets an `Access` as ``access``."""

    @wraps(command)
    def with_access(
        *, endpoint: str | None, parallelism: int, max_qps: float | None, **others: Any
    ) -> Any:
        return command(access=Access(endpoint, parallelism, max_qps), **others)

    return _ACCESS_OPTIONS(with_access)


def parse_store(text: str) -> StoreAddress:
    """Read the STORE of a command line.

    Raises:
        UsageError: it is not the address of a store.
    """
    try:
        return StoreAddress.parse(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not the address of a DICOM store",
            hint="projects/P/locations/L/datasets/D/dicomStores/S, or the same after orthanc:",
        ) from error


def find_store(store: StoreAddress, specs: Sequence[Path], root: Path) -> StoreAddress:
    """The store as the specs know it by its four parameters, with its provider; else Google's.

    Raises:
        DesiredStateError: a file of the specs is invalid.
    """
    from reconciler.desired.load import stores_of  # noqa: PLC0415 - only who names none pays

    for known in stores_of(specs, root=root):
        if replace(known, provider=store.provider) == store:
            return known
    return store
