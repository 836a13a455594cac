"""How a project stands, for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.status import LockStatus, StandingHold, Status, UnfinishedRun
from reconciler.reporting.wording import plain, plural

_ALIVE = {True: "running", False: "not running", None: "on another host"}


def status_as_text(status: Status) -> Iterator[str]:
    """Render in pieces; the stable summary line last. A command stands on a line of its own."""
    for run in status.unfinished:
        yield from _unfinished(run)
    for lock in status.locks:
        yield _lock(lock)
    for hold in status.holds or ():
        yield _hold(hold)
    counts = [
        f"{len(status.unfinished):,} unfinished",
        f"{plural(len(status.locks), 'lock')} held",
    ]
    if status.holds is not None:
        counts.append(plural(len(status.holds), "hold"))
    yield f"Status: {', '.join(counts)}.\n"


def _unfinished(run: UnfinishedRun) -> Iterator[str]:
    what = f"an apply of plan {run.plan_id}" if run.plan_id else "a restore"
    yield f"Run {run.run} is unfinished: {plain(what)}.\n"
    if run.has_expired:
        yield "The plan has expired: this settles what is open, then make a new plan.\n"
    yield f"  {run.command}\n"


def _lock(one: LockStatus) -> str:
    if one.run is None:
        return "A lock is held; it does not say by whom.\n"
    who = f"{one.user} on {one.host}, process {one.process}, run {one.run}, since {one.since}"
    return f"{plain(one.store or '')} is locked by {plain(who)}: {_ALIVE[one.is_alive]}.\n"


def _hold(one: StandingHold) -> str:
    count = "in no plan yet" if one.instances is None else plural(one.instances, "instance")
    if one.overridden:
        count += f", overrides {plural(one.overridden, 'remove')}"
    if one.overdue_days:
        count += f", {plural(one.overdue_days, 'day')} overdue"
    return f"{plain(one.path)}:{one.line}: hold: {plain(str(one.hold))} ({count})\n"
