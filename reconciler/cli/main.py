"""The command group; a command's module is imported when the command runs.

So ``reconciler validate`` starts without importing the HTTP client.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import NoReturn

import click
from click.shell_completion import CompletionItem

from reconciler import __version__
from reconciler.cli.ci import github
from reconciler.cli.output.console import last_words, report_error, say
from reconciler.cli.usage import FIRST_USE, as_usage_error, unknown_command
from reconciler.errors import ExitCode, ReconcilerError, UsageError

_COMMANDS = {
    "validate": "check desired-state files",
    "fmt": "put desired-state files into their canonical form",
    "import": "write a desired-state file from a live store or a list",
    "resolve": "turn selectors into reviewed lists of studies or series",
    "pseudonym": "turn Patient IDs into pseudonyms for selectors",
    "plan": "show what apply would delete, without deleting anything",
    "show": "render a saved plan",
    "filter-file": "write a saved plan's deletions as a Google filter file",
    "apply": "delete what a plan lists, prove it and record it",
    "beam": "apply a plan in shards on the workers of an Apache Beam pipeline",
    "status": "show which runs are unfinished, and how to resume them",
    "query": "run SQL: SELECT retrieves instances, DELETE makes a plan",
    "restore": "restore what a run archived and deleted",
    "state": "check, copy or unlock the state",
    "audit": "verify, sign, report and export the record",
    "schema": "print the JSON Schema of a file format",
    "completion": "print the shell completion script",
    "emulator": "serve an embedded DICOM store on loopback",
    "demo": "run a demonstration: real DICOM files, a plan, an apply",
    "selftest": "check the promises of the tool on this machine",
}

_MODULES = {"filter-file": "filter_file", "import": "import_"}
"""Where a command's name cannot be that of its module."""

_NEED_EXTRA = {"emulator": "the embedded store", "demo": "the demo", "selftest": "the selftest"}
"""The commands that need the packages of the extra ``emulator``, as they are called in words."""


class _LazyGroup(click.Group):
    """Finds ``reconciler.cli.commands.NAME`` and its function ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module_name = _MODULES.get(cmd_name, cmd_name)
        try:
            module = importlib.import_module(f"reconciler.cli.commands.{module_name}")
        except ModuleNotFoundError as missing:
            if cmd_name not in _NEED_EXTRA:
                raise
            raise UsageError(
                f"{_NEED_EXTRA[cmd_name]} needs the package {missing.name}",
                hint="install the extra: pip install 'dicom-reconciler[emulator]'",
            ) from missing
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            raise unknown_command(name, _COMMANDS)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands by name, without importing what runs them."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=words)
            for name, words in _COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reconciler")
def group() -> None:
    """Plan and apply for DICOM instances.

    Desired-state files say which instances a DICOM store must keep and which it must remove;
    a plan shows the difference; apply deletes exactly what the reviewed plan says.

    Exit codes: 0 success, 1 error, 2 pending (with --detailed-exitcode), 3 refused, 4 apply ended
    incomplete, 5 another run holds the lock, 130 and 143 interrupted.
    """


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit the process with a code of the table.

    Libraries that read patients' files warn of them in words that quote them, so none may.
    """
    _open_closed_streams()
    warnings.simplefilter("ignore")
    logging.getLogger("pydicom").disabled = True
    sys.exit(run(args))


def run(args: list[str] | None = None) -> int:
    """Run the command line; the exit code, which a step of GitHub Actions gets as an output."""
    code = _run(args)
    github.set_outputs({"exit_code": int(code)})
    return code


def _open_closed_streams() -> None:
    """Let a standard stream that is closed read and write nothing, as /dev/null does.

    Else the next file that is opened would have its descriptor, and get what is printed.
    """
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8"))


def _require_working_directory() -> None:
    """Raises UsageError: it was removed, so that no relative path leads anywhere."""
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the working directory no longer exists: {error.strerror}",
            hint="change to a folder that exists",
        ) from error


def _run(args: list[str] | None) -> int:
    try:
        _require_working_directory()
        with last_words():
            code = group.main(args, prog_name="reconciler", standalone_mode=False)
    except ReconcilerError as error:
        report_error(error)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        if error.ctx is not None and error.ctx.parent is None:
            say(FIRST_USE)
        else:
            error.show()
        return ExitCode.ERROR
    except click.ClickException as error:
        report_error(as_usage_error(error))
        return ExitCode.ERROR
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return ExitCode.ERROR
    return code if isinstance(code, int) else ExitCode.SUCCESS
