"""``reconciler status``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from reconciler.api import machine
from reconciler.api.loading import read_desired_state, read_history
from reconciler.api.unfinished import resumption, unfinished_runs
from reconciler.audit.holds import standing_holds
from reconciler.cli.options.listening import Console
from reconciler.cli.options.project import checkout_of, find_root, open_project
from reconciler.cli.options.shared import (
    DEFAULT_PATH,
    StateAddress,
    paths_argument,
    project_options,
)
from reconciler.cli.output.console import write_document
from reconciler.desired import has_specs
from reconciler.errors import ExitCode
from reconciler.journal.state import State
from reconciler.model.lock import HeldLock
from reconciler.model.status import LockStatus, StandingHold, Status
from reconciler.reporting.status_json import status_as_json
from reconciler.reporting.status_text import status_as_text

_FORMATS: Mapping[str, Callable[[Status], Iterator[str]]] = {
    "text": status_as_text,
    "json": status_as_json,
}


@click.command(name="status")
@paths_argument
@click.option("--holds", is_flag=True, help="Also list the holds of the desired-state files.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(_FORMATS)),
    metavar="F",
    default="text",
    show_default=True,
    help=f"Output format of stdout: {', '.join(_FORMATS)}.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when a run is unfinished.")
@project_options
def command(
    *,
    paths: tuple[Path, ...],
    holds: bool,
    format_name: str,
    detailed_exitcode: bool,
    state: StateAddress | None,
    root: Path | None,
) -> int:
    """Show unfinished runs, how to resume them, and which runs hold locks.

    A run is unfinished if it was interrupted or stopped, and no later run completed it. The command
    that resumes it is printed, quoted for a shell. A run that holds a lock now is not unfinished.

    With --holds, or PATHS, the holds of the desired-state files (default: specs/) are listed: the
    owner, the review date and whether it has passed, how many instances the last plan found, and
    how many removes the hold overrode.

    Reads files and the state, and contacts no store.

    \b
    Examples:
      reconciler status
      reconciler status --holds --format json
      reconciler status --detailed-exitcode
    """
    project = find_root(root)
    folder = open_project(state, project, only_reads=True).state
    # A run may end before the record is read, and another begin while it is read.
    before, history, locks = (
        folder.held_locks(),
        read_history(folder, Console()),
        folder.held_locks(),
    )
    unfinished = unfinished_runs(history, folder, (*before, *locks))
    status = Status(
        tuple(resumption(run, project, folder) for run in unfinished),
        tuple(map(_lock, locks)),
        _holds(paths, folder, project) if holds or paths else None,
    )
    write_document(_FORMATS[format_name](status))
    return ExitCode.PENDING if detailed_exitcode and status.unfinished else ExitCode.SUCCESS


def _lock(lock: HeldLock) -> LockStatus:
    holder = lock.holder
    if holder is None:
        return LockStatus(None, None, None, None, None, None, None)
    return LockStatus(
        lock.store,
        holder.run,
        holder.user,
        holder.host,
        holder.process,
        machine.is_alive(holder),
        lock.since,
    )


def _holds(paths: tuple[Path, ...], state: State, root: Path) -> tuple[StandingHold, ...]:
    if not paths and not has_specs(root):
        return ()
    desired = read_desired_state(
        paths or (root / DEFAULT_PATH,),
        root=root,
        one_service=False,
        checkout=checkout_of(root),
        listener=Console(),
    )
    return standing_holds(desired.keeps, state, machine.now().date())
