"""``reconciler audit``: what is done with the record of runs."""

from __future__ import annotations

import click

from reconciler.cli.commands.audit_verify import command as verify


@click.group(name="audit")
def command() -> None:
    """Check the record of runs.

    Reads the state folder and asks no store.
    """


command.add_command(verify)
