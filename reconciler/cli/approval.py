"""Ask for a ``yes``."""

from __future__ import annotations

import sys

import click

from reconciler.cli.console import say
from reconciler.errors import NotApproved


def require_approval() -> None:
    """Ask on the terminal; only the whole word counts.

    Raises:
        NotApproved: another answer, or nobody to ask.
    """
    if not sys.stdin.isatty():
        raise NotApproved(
            "nobody can be asked: standard input is not a terminal",
            hint="review the plan, then use --auto-approve with --expect-digest,"
            " or apply a saved plan file",
        )
    say("\nDeletions in a DICOM store cannot be undone. Only 'yes' is accepted to go on.")
    answer = click.prompt("Enter a value", default="", show_default=False, err=True)
    if answer != "yes":
        raise NotApproved("the plan was not approved; nothing was deleted")
