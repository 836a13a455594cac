"""``reconciler validate``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import report_problems, write_document
from reconciler.cli.options import DEFAULT_PATH, paths_argument, root_option
from reconciler.cli.project import find_root
from reconciler.cli.reading import read_desired_state
from reconciler.model.desired import DesiredState, Entry, InputRole
from reconciler.reporting.wording import plural


@click.command(name="validate")
@paths_argument
@root_option
def command(paths: tuple[Path, ...], root: Path | None) -> None:
    """Check desired-state files, without asking any store.

    PATHS are files and folders (default: specs/). Every problem of every file is reported at
    once, as path:line:column. Exit code 1 when there is an error.

    \b
    Examples:
      reconciler validate
      reconciler validate specs/retention.yaml
    """
    project = find_root(root)
    given = paths or (project / DEFAULT_PATH,)
    desired = read_desired_state(given, root=project, one_service=False)
    if desired.warnings:
        report_problems(desired.warnings)
    write_document([_summary(desired)])


def _summary(desired: DesiredState) -> str:
    files = sum(file.role is not InputRole.INVENTORY for file in desired.inputs)
    lines = [f"Valid: {files} desired-state file{'s' * (files != 1)}.\n"]
    for store in desired.stores:
        lines.append(f"  {store.store}\n")
        lines.append(f"    remove {_count(store.removes.entries)}\n")
        lines.append(f"    keep   {_count(store.keeps.entries)}\n")
    return "".join(lines)


def _count(entries: tuple[Entry, ...]) -> str:
    studies = sum(entry.series_uid is None for entry in entries)
    series = sum(entry.series_uid is not None and entry.is_whole for entry in entries)
    instances = sum(len(entry.instances.uids) for entry in entries if entry.instances is not None)
    return (
        f"{plural(studies, 'whole study')}, {series:,} whole series,"
        f" {plural(instances, 'instance')}"
    )
