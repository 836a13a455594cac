"""What click finds wrong with a command line, in this program's own words."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import click

from reconciler.errors import UsageError

FIRST_USE = """\
Plan and apply for DICOM instances. A first use, step by step:

  reconciler import STORE --out specs/keep.yaml  write down what a store holds
  reconciler resolve                             or turn selectors into lists
  reconciler validate                            check the files
  reconciler plan --out plan.json                see what would be deleted
  reconciler apply plan.json                     delete exactly that, and prove it
  reconciler audit verify                        check the record

STORE is projects/P/locations/L/datasets/D/dicomStores/S.
To see all of it without a store: reconciler demo
All commands: reconciler --help. One of them: reconciler plan --help"""
"""What ``reconciler`` without arguments says."""


def unknown_command(name: str, known: Iterable[str]) -> UsageError:
    """No such command, with the one that was meant, as far as that can be guessed."""
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else "reconciler --help lists the commands"
    return UsageError(f"no such command: {name}", hint=hint)


def as_usage_error(error: click.ClickException) -> UsageError:
    """The error as one of ours: one sentence without a period, and what to do."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.NoSuchOption) and context is not None:
        return _unknown_option(error.option_name, context)
    message = error.format_message().rstrip(".")
    # click's parser does not say of which command an option is.
    hint = f"see {context.command_path} --help" if context else "--help lists the options"
    return UsageError(message[:1].lower() + message[1:], hint=hint)


def _unknown_option(name: str, context: click.Context) -> UsageError:
    known = [option for one in context.command.get_params(context) for option in one.opts]
    close = get_close_matches(name, [one for one in known if one.startswith("--")], n=1)
    hint = f"did you mean {close[0]}?" if close else f"see {context.command_path} --help"
    return UsageError(f"no such option: {name}", hint=hint)
