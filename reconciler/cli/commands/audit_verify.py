"""``reconciler audit verify``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from reconciler.api.listener import BYTES
from reconciler.api.unfinished import status_command
from reconciler.audit.signing import read_signed
from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import verify
from reconciler.cli.options.given_file import read_given
from reconciler.cli.options.listening import Console
from reconciler.cli.options.path_type import PATH
from reconciler.cli.options.project import find_root, open_project
from reconciler.cli.options.shared import StateAddress, project_options
from reconciler.cli.output.console import say, write_document
from reconciler.errors import ExitCode, UsageError
from reconciler.model.verification import FindingKind
from reconciler.reporting.audit.verification_text import verification_as_text

_HASH = re.compile(r"[0-9a-f]{64}")


@click.command(name="verify")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="HASH",
    help="A published head: it and the runs that it covers must exist; repeatable.",
)
@click.option(
    "--signature",
    type=PATH,
    metavar="FILE",
    help="Take the head from this signed statement.",
)
@click.option(
    "--public-key",
    type=PATH,
    metavar="KEY",
    help="With --signature: the public key in PEM.",
)
@project_options
def command(
    *,
    runs: tuple[str, ...],
    heads: tuple[str, ...],
    signature: Path | None,
    public_key: Path | None,
    state: StateAddress | None,
    root: Path | None,
) -> int:
    """Verify the journal.

    Checks every run, or each RUN: that its segments form a chain, and that its records are those in
    the log. The log alone does not show that its end was cut off, or that everything was rewritten;
    a head that was kept elsewhere does, for all runs up to it. Runs without an end or in no log, a
    torn last line, unrecognised files and a clock that went back are reported, but are no
    corruption; nor is a missing run that no head covers.

    Exit code 3 if a record is broken, something that a head covers is missing or the signature is
    invalid, 1 if a run cannot be checked.

    \b
    Examples:
      reconciler audit verify
      reconciler audit verify --head 9f2c…
    """
    if signature is not None or public_key is not None:
        heads = (*heads, _signed(signature, public_key))
    if heads and runs:
        raise UsageError(
            "a head and RUN cannot be used together",
            hint="a head covers the runs before it, so all of them are checked",
        )
    for head in heads:
        if _HASH.fullmatch(head) is None:
            raise UsageError(
                f"--head {head!r} is not a head",
                hint="it is 64 hexadecimal digits, as runs print it",
            )
    folder = open_project(state, find_root(root), only_reads=True).state
    with Console().step("reading the record", unit=BYTES) as update:
        found = verify(Snapshot.take(folder, update), runs=runs, heads=heads)
    write_document(verification_as_text(found))
    if any(one.kind is FindingKind.UNFINISHED for one in found.findings):
        say(f"  hint: which runs can be resumed, and how: {status_command(folder)}")
    if found.count(corruption=True):
        return ExitCode.REFUSED
    is_checked = all(one.kind is not FindingKind.UNREADABLE for one in found.findings)
    return ExitCode.SUCCESS if is_checked else ExitCode.ERROR


def _signed(signature: Path | None, public_key: Path | None) -> str:
    """The head that a good signature covers; says what was signed."""
    if signature is None or public_key is None:
        raise UsageError("--signature and --public-key belong together")
    try:
        text = read_given(signature).decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{signature} is not a signed statement") from error
    signed = read_signed(text, read_given(public_key))
    when = f" at {signed.time}" if signed.time else ""
    say(f"the signature is good: signed{when}: run {signed.run}, journal head {signed.head}")
    return signed.head
