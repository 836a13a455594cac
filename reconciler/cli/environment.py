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
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler import __version__
from reconciler.cli.ci import github
from reconciler.cli.ci.requester import requester_of
from reconciler.errors import UsageError
from reconciler.live.connection import Connection
from reconciler.live.http.endpoint import Endpoint, parse_endpoint
from reconciler.live.http.rate import Memory
from reconciler.live.settings import ConnectionSettings
from reconciler.model.address import DEFAULT_PROVIDER, Provider, StoreAddress
from reconciler.model.lock import Holder
from reconciler.model.patient import PatientKey
from reconciler.model.provenance import Requester
from reconciler.reporting.export.syslog import Sender

_CREDENTIALS = {name for provider in Provider for name in provider.facts.credentials}


def of_a_trial(*, own_store: bool = False) -> dict[str, str]:
    """What the commands are given that the tool runs to try itself out.

    None of the user's options, and no step of a workflow; credentials for the user's ``own_store``.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if (own_store and name in _CREDENTIALS)
        or not (name.startswith("RECONCILER_") or name in {*_CREDENTIALS, *github.VARIABLES})
    }


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


def new_plan_id() -> str:
    """A name that no other plan has."""
    return str(uuid.uuid4())


def new_uid() -> str:
    """A UID that nothing else has, made of a UUID (PS3.5 section B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def new_run_name(started: datetime) -> str:
    """A name that no other run has, which sorts by start."""
    return f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def new_patient_key() -> PatientKey:
    """A key that nobody else has, for pseudonyms that are compared in this process alone."""
    return PatientKey(bytes.fromhex(secrets.token_hex(32)))


def jitter() -> random.Random:
    """Randomness for back-off."""
    return random.Random()  # noqa: S311 - spreads requests in time, guards nothing


def sender() -> Sender:
    """This machine and process, as a syslog header names them."""
    return Sender(socket.gethostname(), os.getpid())


def holder(run: str) -> Holder:
    """Who holds the locks of a run: this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return Holder(run, user, socket.gethostname(), os.getpid())


def is_alive(holder: Holder) -> bool | None:
    """Whether its process runs; None where that cannot be known, since it is on another host."""
    if holder.host != socket.gethostname():
        return None
    try:
        os.kill(holder.process, 0)  # sends nothing
    except PermissionError:  # it is another user's
        return True
    except (OSError, OverflowError):
        return False
    return True


def requester() -> Requester | None:
    """Who had the run done, where a CI that is known here runs it."""
    return requester_of(os.environ)


@dataclass(frozen=True, slots=True)
class Access:
    """How a service is reached, as the command line says."""

    endpoint: str | None
    parallelism: int
    max_qps: float | None


def endpoint(given: str | None, provider: Provider = DEFAULT_PROVIDER) -> Endpoint:
    """The origin of the service: as given, else by the provider's own variable.

    Raises:
        EndpointError: it is not one that may be used.
        UsageError: the provider has no default, and none is given.
    """
    facts = provider.facts
    # An empty variable is one that is not set.
    set_by_variable = os.environ.get(facts.endpoint_variable) or facts.endpoint
    chosen = set_by_variable if given is None else given
    if chosen is None:
        raise UsageError(
            f"where {provider.title()} is has not been said",
            hint=f"set --endpoint or {facts.endpoint_variable} to its origin,"
            " such as https://HOST:8042",
        )
    return parse_endpoint(chosen)


def provider_of(stores: Iterable[StoreAddress]) -> Provider:
    """The provider of a run, all of whose stores have the same."""
    return next((store.provider for store in stores), DEFAULT_PROVIDER)


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
    access: Access,
    *,
    provider: Provider,
    read_only: bool,
    stop: threading.Event | None = None,
    rate_memory: Memory | None = None,
) -> Connection:
    """Open what all stores of a run share; ``rate_memory`` is as in `ConnectionSettings`.

    Proxies, CA bundle and credentials are read from the environment here, once; an empty variable
    is one that is not set.

    Raises:
        CredentialsError: there are no credentials where they are needed.
    """
    settings = ConnectionSettings(
        endpoint,
        read_only=read_only,
        provider=provider,
        user_agent=f"reconciler/{__version__}",
        parallelism=access.parallelism,
        max_qps=access.max_qps,
        rate_memory=rate_memory,
        credentials={
            name: value for name in provider.facts.credentials if (value := os.environ.get(name))
        },
        proxies=urllib.request.getproxies(),
        ca_bundle=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE"),
    )
    return Connection(
        settings,
        now=now,
        random_source=jitter(),
        request_ids=_request_ids(),
        stop=stop or threading.Event(),
    )
