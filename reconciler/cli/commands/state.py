"""``reconciler state``: the place of the record, and its locks."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from reconciler.api import machine
from reconciler.api.listener import BYTES
from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import verify
from reconciler.cli.options.listening import Console
from reconciler.cli.options.path_type import ADDRESS
from reconciler.cli.options.project import find_root, open_project
from reconciler.cli.options.shared import StateAddress, project_options, root_option
from reconciler.cli.options.stores import parse_store
from reconciler.cli.output.console import say, write_document
from reconciler.cli.runs.approval import require_approval, require_terminal
from reconciler.errors import ExitCode, UsageError
from reconciler.journal.places.bucket import BucketState
from reconciler.journal.places.copying import copy_state
from reconciler.objects.check import require_create_once
from reconciler.reporting.audit.verification_text import verification_as_text
from reconciler.reporting.wording import plural


@click.group(name="state")
def command() -> None:
    """Check, copy or unlock the state: a folder, or a bucket that several machines share.

    \b
    Examples:
      reconciler state check gs://imaging-state/prod
      reconciler state copy .reconciler gs://imaging-state/prod
    """


@command.command(name="check")
@click.argument("url", required=False, type=ADDRESS)
@project_options
def check(url: StateAddress | None, state: StateAddress | None, root: Path | None) -> int:
    """Check whether a bucket or folder can hold the state.

    Creates an object under check/ and tries to overwrite it: a store that allows this would let two
    applies run at once. Every apply runs the same check first.

    URL is the state to check (default: that of --state). Exit code 1 if the check fails.

    \b
    Examples:
      reconciler state check gs://imaging-state/prod
      RECONCILER_STATE=s3://imaging-state/prod reconciler state check
    """
    place = open_project(url if url is not None else state, find_root(root), only_reads=True).state
    require_create_once(place.objects, secrets.token_hex(16))
    say(f"{place} is fit: it creates an object once, and overwrites none")
    return ExitCode.SUCCESS


@command.command(name="copy")
@click.argument("source", metavar="FROM", type=ADDRESS)
@click.argument("target", metavar="TO", type=ADDRESS)
@root_option
def copy(source: StateAddress, target: StateAddress, root: Path | None) -> int:
    """Copy the record to another place, and verify the copy.

    FROM and TO are folders or URLs. What TO already has is compared and not copied again. Locks are
    not copied: do not run anything on FROM meanwhile, and use TO in every job afterwards.

    Nothing is written if TO holds another record. Exit code 3 if the copy is broken; then FROM is
    broken too.

    \b
    Examples:
      reconciler state copy .reconciler gs://imaging-state/prod
      reconciler state copy gs://imaging-state/prod /srv/record
    """
    project = find_root(root)
    there = open_project(target, project).state
    from_there = open_project(source, project, only_reads=True).state
    console = Console()
    with console.step("copying the record", unit=BYTES) as update:
        copied = copy_state(from_there, there, update)
    say(f"{there} has the {plural(copied, 'run')} of {source}")
    with console.step("reading the copy", unit=BYTES) as update:
        found = verify(Snapshot.take(there, update))
    write_document(verification_as_text(found))
    return ExitCode.REFUSED if found.count(corruption=True) else ExitCode.SUCCESS


@command.command(name="unlock")
@click.argument("store")
@project_options
def unlock(store: str, state: StateAddress | None, root: Path | None) -> int:
    """Take a store from a run that holds it in a bucket.

    Normally this is not needed: a run that died loses its lock one lease after its last sign of
    life. Use it to stop a run that is alive. That run notices with its next record and then sends
    no more requests. Requests in flight may still take effect: the command waits for them, and the
    next apply to the store checks the result.

    STORE is the resource name of the store. The command asks for confirmation. The record says that
    it was done and by whom.

    \b
    Examples:
      reconciler state unlock projects/p/locations/l/datasets/d/dicomStores/s
    """
    address = parse_store(store)
    place = open_project(state, find_root(root)).state
    if not isinstance(place, BucketState):
        raise UsageError(
            f"{place} is a folder, where a lock ends with its process",
            hint="end that process; reconciler status names it",
        )
    require_terminal("unlock from a terminal")
    holder = place.holder_of(address)
    if holder is None:
        say(f"no run works on {address}")
        return ExitCode.SUCCESS
    require_approval(
        f"{holder.holder} holds {address} since {holder.since}. It will be stopped, whatever it has"
        " under way.",
        "nobody was stopped",
    )
    now = machine.now()
    since = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    held = place.unlock(address, machine.holder(machine.new_run_name(now)), since)
    if held is None:
        say(f"no run works on {address}")
    else:
        say(f"{address} is free; it was held by {held.holder}, since {held.since}")
    return ExitCode.SUCCESS
