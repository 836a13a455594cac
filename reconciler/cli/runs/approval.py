"""Ask for a ``yes``."""

from __future__ import annotations

import sys

import click

from reconciler.cli.output.console import say
from reconciler.errors import NotApproved


def require_terminal(hint: str) -> None:
    """Find out before anything else whether there is somebody to ask; ``hint`` is what else to do.

    Raises:
        NotApproved: there is nobody.
    """
    if not sys.stdin.isatty():
        raise NotApproved("cannot ask for a yes: standard input is not a terminal", hint=hint)


def require_approval(warning: str, refusal: str) -> None:
    """Ask on the terminal; only the whole word counts.

    Raises:
        NotApproved: another answer; ``refusal`` is its message.
    """
    say(f"\n{warning} Only 'yes' is accepted to go on.")
    try:
        answer = click.prompt("Enter a value", default="", show_default=False, err=True)
    except click.Abort:
        answer = ""
    if answer != "yes":
        raise NotApproved(refusal)
