"""``reconciler selftest``."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import click

from reconciler.cli import github
from reconciler.cli.console import say
from reconciler.errors import ExitCode, ReconcilerError, UsageError

try:
    from reconciler.drill.selftest import Verdict, selftest
    from reconciler.drill.trial import Program
except ModuleNotFoundError as missing:
    raise UsageError(
        f"the selftest needs the package {missing.name}",
        hint="install the extra: pip install 'dicom-reconciler[emulator]'",
    ) from missing

_OF_THE_USER = (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "RECONCILER_ENDPOINT",
    "RECONCILER_STATE",
    *github.VARIABLES,
)
"""What a trial must not see: it speaks to the embedded store alone."""


@click.command(name="selftest")
def command() -> int:
    """Try out on this machine, against an embedded store, what the tool promises.

    One line for each promise, with how often it was tried. Takes less than a minute; nothing
    outside this machine is asked or changed.

    Exit code 0 when every promise held, 3 when one did not.

    \b
    Examples:
      reconciler selftest
    """
    # Some of the real files break the standard in small ways, which is why they are used.
    warnings.filterwarnings("ignore", category=UserWarning, module="pydicom")
    folder = Path(tempfile.mkdtemp(prefix="reconciler-selftest-"))
    program = Program((sys.executable, "-m", "reconciler"), _environment())
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


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _OF_THE_USER}


def _line(verdict: Verdict) -> str:
    if verdict.held:
        return f"held    {verdict.promise} ({verdict.detail})"
    return f"broken  {verdict.promise}: {verdict.detail}"
