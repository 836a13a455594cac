"""``reconciler audit``: what is done with the record of runs."""

from __future__ import annotations

import click

from reconciler.cli.commands.audit_export import command as export
from reconciler.cli.commands.audit_report import command as report
from reconciler.cli.commands.audit_sign import command as sign
from reconciler.cli.commands.audit_verify import command as verify


@click.group(name="audit")
def command() -> None:
    """Verify, sign, report and export the record of runs.

    Reads the state and contacts no store.

    \b
    Examples:
      reconciler audit verify
      reconciler audit report --since 2026-01-01
      reconciler audit sign --key key.pem --out head.json
      reconciler audit export --format csv --out deletions.csv
    """


for part in (export, verify, sign, report):
    command.add_command(part)
