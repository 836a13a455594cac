"""``reconciler audit sign``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from reconciler.api import machine
from reconciler.api.destination import require_writable, write_file
from reconciler.api.listener import BYTES
from reconciler.audit.signing import head_of, sign
from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import verify
from reconciler.cli.options.given_file import read_given
from reconciler.cli.options.listening import Console
from reconciler.cli.options.path_type import PATH
from reconciler.cli.options.project import find_root, open_project
from reconciler.cli.options.shared import StateAddress, project_options
from reconciler.cli.output.console import say
from reconciler.errors import ExitCode, SignatureRefused, UsageError
from reconciler.journal.state import RunFile
from reconciler.model.time import format_time


@click.command(name="sign")
@click.argument("run", required=False)
@click.option(
    "--key",
    type=PATH,
    required=True,
    metavar="KEY",
    help="An unencrypted private key in PEM.",
)
@click.option(
    "--out",
    type=PATH,
    required=True,
    metavar="FILE",
    help="Write the signed statement to FILE.",
)
@project_options
def command(
    *, run: str | None, key: Path, out: Path, state: StateAddress | None, root: Path | None
) -> int:
    """Sign the head of a run.

    RUN is the name of a run [default: the latest apply or restore]. Its record and those of all
    runs that the head covers are verified. The head and the digest of its plan become an in-toto
    statement in a DSSE envelope.

    Exit code 3, and no signature, if a record is broken or a covered run is missing.

    \b
    Examples:
      openssl genpkey -algorithm ed25519 -out key.pem
      openssl pkey -in key.pem -pubout -out key.pub
      reconciler audit sign --key key.pem --out head.json
      reconciler audit verify --signature head.json --public-key key.pub
    """
    require_writable(out)
    folder = open_project(state, find_root(root), only_reads=True).state
    with Console().step("reading the record", unit=BYTES) as update:
        snapshot = Snapshot.take(folder, update)
        head = head_of(snapshot, _run_file(snapshot, run))
        signed = replace(head, time=format_time(machine.now()))
        found = verify(snapshot, heads=[signed.head])
    if found.count(corruption=True):
        raise SignatureRefused(
            f"the record behind the head {signed.head} is not whole, so it is not signed",
            hint="audit verify with this --head shows what is wrong",
        )
    write_file(out, [sign(signed, read_given(key))])
    say(f"signed: run {signed.run}, journal head {signed.head}")
    return ExitCode.SUCCESS


def _run_file(snapshot: Snapshot, run: str | None) -> RunFile:
    if run is not None:
        numbers = {one.entry.run: one.entry.number for log in snapshot.logs.values() for one in log}
        return max(snapshot.chosen([run]), key=lambda file: numbers.get(file.name, 0))
    changing = snapshot.changing
    if not changing:
        raise UsageError(
            f"{snapshot.state} holds no run",
            hint="name a plan or query as its command reported it; --state names the folder",
        )
    return changing[-1]
