"""How a project stands: what was begun and not ended, who works now, and what is on hold."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.model.as_json import as_json
from reconciler.model.desired import Hold


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """An apply or a restore that did not finish, and that no other run works on now.

    ``plan_id`` and ``digest`` are None for a restore. ``command`` resumes it, as a shell takes it.
    ``has_expired`` says that its plan has: the command settles what is open, and deletes nothing.
    """

    run: str
    plan_id: str | None
    digest: str | None
    command: str
    has_expired: bool = field(default=False, metadata=as_json(key="expired"))


@dataclass(frozen=True, slots=True)
class LockStatus:
    """A lock that is held, and by which process.

    ``is_alive`` is None where it is not known whether its process runs, and all are where it cannot
    be read who holds it. ``since`` is for people.
    """

    store: str | None
    run: str | None
    user: str | None
    host: str | None
    process: int | None = field(metadata=as_json(key="pid"))
    is_alive: bool | None = field(metadata=as_json(key="alive"))
    since: str | None


@dataclass(frozen=True, slots=True)
class StandingHold:
    """A hold of a keep entry, and by how many days it is past its review, 0 if it is not.

    ``instances`` are those that the last plan saw, ``overridden`` those of them that files ask to
    remove; both are None without a plan.
    """

    hold: Hold
    path: str
    line: int
    instances: int | None
    overridden: int | None
    overdue_days: int


@dataclass(frozen=True, slots=True)
class Status:
    """The answer of ``reconciler status``; ``holds`` is None where they were not asked for."""

    unfinished: tuple[UnfinishedRun, ...]
    locks: tuple[LockStatus, ...]
    holds: tuple[StandingHold, ...] | None = None
