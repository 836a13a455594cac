"""How a project stands, for machines: ``schemas/status.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from reconciler.model.status import LockStatus, StandingHold, Status, UnfinishedRun

FORMAT_VERSION = "1.0"


def status_as_json(status: Status) -> Iterator[str]:
    """One object."""
    document = {
        "format_version": FORMAT_VERSION,
        "unfinished": [_unfinished(one) for one in status.unfinished],
        "locks": [_lock(one) for one in status.locks],
        "holds": [_hold(one) for one in status.holds or ()],
    }
    yield json.dumps(document, indent=2) + "\n"


def _unfinished(one: UnfinishedRun) -> dict[str, Any]:
    return {
        "run": one.run,
        "plan_id": one.plan_id,
        "digest": one.digest,
        "command": one.command,
        "expired": one.has_expired,
    }


def _lock(one: LockStatus) -> dict[str, Any]:
    holder = one.lock.holder
    return {
        "store": one.lock.store,
        "run": holder and holder.run,
        "user": holder and holder.user,
        "host": holder and holder.host,
        "pid": holder and holder.process,
        "alive": one.is_alive,
        "since": one.lock.since,
    }


def _hold(one: StandingHold) -> dict[str, Any]:
    return {
        "hold": one.hold,
        "path": one.source.path,
        "line": one.source.line,
        "instances": one.instances,
    }
