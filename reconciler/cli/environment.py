"""What the process is given besides its arguments: variables, clock, randomness, identity."""

from __future__ import annotations

import getpass
import itertools
import os
import random
import secrets
import socket
import threading
import urllib.request
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from reconciler import __version__
from reconciler.live.connection import Connection, ConnectionSettings
from reconciler.live.endpoint import DEFAULT_ENDPOINT, Endpoint, parse_endpoint

STATE_FOLDER = ".reconciler"


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


def new_plan_id() -> str:
    """A name that no other plan has."""
    return str(uuid.uuid4())


def new_run_name(started: datetime) -> str:
    """A name that no other run has, which sorts by start."""
    return f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def jitter() -> random.Random:
    """Randomness for back-off."""
    return random.Random()  # noqa: S311 - spreads requests in time, guards nothing


def holder(run: str) -> str:
    """Who holds a lock: user, host, process and run."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user} on {socket.gethostname()}, process {os.getpid()}, run {run}"


def state_folder(given: Path | None, root: Path) -> Path:
    """Where journal and locks live."""
    return given if given is not None else root / STATE_FOLDER


def endpoint(given: str | None) -> Endpoint:
    """The origin of the service.

    Raises:
        EndpointError: it is not one that may be used.
    """
    return parse_endpoint(DEFAULT_ENDPOINT if given is None else given)


def _request_ids() -> Callable[[], str]:
    """Names for requests: one random part for the process, then a number.

    A random part for each would be a system call that gives up the interpreter's lock; measured
    with 32 workers, that was a tenth of a request's cost.
    """
    process = secrets.token_hex(8)
    numbers = itertools.count(1)
    return lambda: f"{process}-{next(numbers)}"


def connect(
    endpoint: Endpoint,
    *,
    read_only: bool,
    parallelism: int,
    max_qps: float | None,
    stop: threading.Event,
) -> Connection:
    """Open what all stores of a run share.

    Proxies, CA bundle and credentials file are read from the environment here, once.

    Raises:
        CredentialsError: there are no credentials where they are needed.
    """
    settings = ConnectionSettings(
        endpoint,
        read_only=read_only,
        user_agent=f"reconciler/{__version__}",
        parallelism=parallelism,
        max_qps=max_qps,
        credentials_file=os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"),
        proxies=urllib.request.getproxies(),
        ca_bundle=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE"),
    )
    return Connection(
        settings,
        now=now,
        random_source=jitter(),
        request_ids=_request_ids(),
        stop=stop,
    )
