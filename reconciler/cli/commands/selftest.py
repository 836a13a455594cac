"""``reconciler selftest``."""

from __future__ import annotations

import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import click
from click.core import ParameterSource

from reconciler.cli import environment
from reconciler.cli.options.stores import access_options, parse_store
from reconciler.cli.output.console import say
from reconciler.cli.runs.own_store import OwnStore, try_own_store
from reconciler.drill.selftest import PromiseResult, selftest
from reconciler.drill.trial import Program
from reconciler.errors import ExitCode, ReconcilerError, UsageError


@click.command(name="selftest")
@click.option("--store", metavar="STORE", help="Use this test store instead.")
@click.option("--auto-approve", is_flag=True, help="Do not ask for confirmation.")
@access_options
@click.pass_context
def command(
    context: click.Context, /, *, store: str | None, auto_approve: bool, access: environment.Access
) -> int:
    """Check the promises of the tool on this machine, against an embedded store.

    Prints one line per promise, with the number of trials. Takes less than a minute and contacts no
    other machine.

    With --store, a test store of your own is used instead. STORE is
    projects/P/locations/L/datasets/D/dicomStores/S, prefixed with orthanc: for Orthanc. After a
    'yes', six synthetic instances with new UIDs are stored, planned, archived, deleted, proven to
    be gone, restored and deleted again. Nothing else is changed and nothing is left behind;
    anything that may be left is named. The facts about the store's protocol are printed as JSON,
    for you to send in: without names, hosts, UIDs or patient data.

    Exit code 0 if every promise held, 3 if one did not; with --store also 4 if something may be
    left in the store, 130 or 143 after a signal if nothing is.

    \b
    Examples:
      reconciler selftest
      reconciler selftest --store projects/p/locations/l/datasets/d/dicomStores/test > facts.json
    """
    given = environment.of_a_trial(own_store=store is not None)
    program = Program((sys.executable, "-m", "reconciler"), given)
    if store is not None:
        own = OwnStore(parse_store(store), auto_approve, access)
        return try_own_store(own, program)
    _require_no_options(context)
    return _selftest(program)


def _require_no_options(context: click.Context) -> None:
    """The options say how a store is reached, which the embedded one is anyway.

    The variables of the same name are there for other commands.
    """
    for name in context.params:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"--{name.replace('_', '-')} belongs to --store")


def _selftest(program: Program) -> int:
    # Some of the real files break the standard in small ways, which is why they are used.
    warnings.filterwarnings("ignore", category=UserWarning, module="pydicom")
    folder = Path(tempfile.mkdtemp(prefix="reconciler-selftest-"))
    broken = 0
    try:
        for verdict in selftest(folder, program):
            click.echo(_line(verdict))
            broken += not verdict.held
    except OSError as error:
        raise ReconcilerError(f"the selftest cannot run: {error.strerror or error}") from error
    if broken:
        say(f"{broken} broken; look around in {folder}")
        return ExitCode.REFUSED
    shutil.rmtree(folder, ignore_errors=True)
    return ExitCode.SUCCESS


def _line(verdict: PromiseResult) -> str:
    if verdict.held:
        return f"held    {verdict.promise} ({verdict.detail})"
    return f"broken  {verdict.promise}: {verdict.detail}"
