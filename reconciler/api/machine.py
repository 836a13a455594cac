"""What the machine gives: clock, randomness, names that nothing else has, and this process."""

from __future__ import annotations

import itertools
import os
import pwd
import random
import secrets
import socket
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from reconciler.model.lock import Holder
from reconciler.model.patient import PatientKey


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


def request_ids() -> Callable[[], str]:
    """Names for requests: one random part for the process, then a number.

    A random part for each would be a system call that gives up the interpreter's lock; measured
    with 32 workers, that was a tenth of a request's cost.
    """
    process = secrets.token_hex(8)
    numbers = itertools.count(1)
    return lambda: f"{process}-{next(numbers)}"


def holder(run: str) -> Holder:
    """Who holds the locks of a run: this process."""
    number = os.getuid()
    try:
        user = pwd.getpwuid(number).pw_name
    except KeyError:
        user = f"uid {number}"
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
