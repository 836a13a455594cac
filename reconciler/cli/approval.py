"""Ask for a ``yes``."""

from __future__ import annotations

import sys

import click

from reconciler.cli.console import say
from reconciler.errors import NotApproved


def require_terminal() -> None:
    """Find out before anything else whether there is somebody to ask.

    Raises:
        NotApproved: there is nobody.
    """
    if not sys.stdin.isatty():
        raise NotApproved(
            "nobody can be asked: standard input is not a terminal",
            hint="review the plan, then use --auto-approve with --expect-digest,"
            " or apply a saved plan file",
        )


def require_approval() -> None:
    """Ask on the terminal; only the whole word counts.

    Raises:
        NotApproved: another answer.
    """
    say("\nDeletions in a DICOM store cannot be undone. Only 'yes' is accepted to go on.")
    try:
        answer = click.prompt("Enter a value", default="", show_default=False, err=True)
    except click.Abort:
        answer = ""
    if answer != "yes":
        raise NotApproved("the plan was not approved; nothing was deleted")
