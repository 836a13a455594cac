"""``reconciler audit report``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import click

from reconciler import __version__
from reconciler.api import machine
from reconciler.api.destination import require_writable, write_file
from reconciler.api.listener import BYTES
from reconciler.audit.report import make_report, selected_deletions
from reconciler.audit.snapshot import Snapshot
from reconciler.cli.options.formats import Writes, format_options
from reconciler.cli.options.listening import Console
from reconciler.cli.options.project import find_root, open_project
from reconciler.cli.options.record_selection import selection_options
from reconciler.cli.options.shared import StateAddress, project_options
from reconciler.cli.output.console import say, write_document
from reconciler.errors import ExitCode
from reconciler.model.audit import AuditReport, Selection
from reconciler.model.deletion import RecordedDeletion
from reconciler.reporting.audit.html import report_as_html
from reconciler.reporting.audit.json import audit_as_json
from reconciler.reporting.audit.markdown import report_as_markdown
from reconciler.reporting.export.deletions_csv import deletions_as_csv

AUDIT_FORMATS: Mapping[str, Callable[[AuditReport, Iterable[RecordedDeletion]], Iterator[str]]] = {
    "markdown": report_as_markdown,
    "html": report_as_html,
    "json": audit_as_json,
    "csv": lambda _, deletions: deletions_as_csv(deletions),
}


@click.command(name="report")
@selection_options
@format_options(AUDIT_FORMATS, default="markdown")
@project_options
def command(
    *,
    selection: Selection,
    format_name: str,
    writes: Writes,
    state: StateAddress | None,
    root: Path | None,
) -> int:
    """Report what was removed, by whom and why, and with what evidence.

    The report has totals by reason, store, month and actor; who requested each run, and how it
    ended; how much of what the files declare is proven; what was refused, reappeared or was
    restored; what is kept and when it was last seen; whose images were read; and each deletion with
    its requests and the retrieve after them. CSV has only the deletions, as `audit export` writes
    them. A day means its start; a TIME without an offset is UTC.

    The record is checked as by `audit verify`, and the report lists what is missing. Exit code 3 if
    a record is broken, 1 if something is missing or cannot be read; the rest is reported.

    \b
    Examples:
      reconciler audit report
      reconciler audit report --write html=report.html
      reconciler audit report --since 2026-01-01 --until 2027-01-01 --write csv=2026.csv
      reconciler audit report --reason 113037 --format json
    """
    require_writable(*(path for _, path in writes))
    place = open_project(state, find_root(root), only_reads=True).state
    with Console().step("reading the record", unit=BYTES) as update:
        snapshot = Snapshot.take(place, update)
        report = make_report(snapshot, selection, made=machine.now(), tool_version=__version__)
    for problem in report.problems:
        say(f"error: {problem}")
    for name, path in writes:
        write_file(path, AUDIT_FORMATS[name](report, selected_deletions(snapshot, selection)))
    write_document(AUDIT_FORMATS[format_name](report, selected_deletions(snapshot, selection)))
    if report.verification.count(corruption=True):
        return ExitCode.REFUSED
    return ExitCode.ERROR if report.problems else ExitCode.SUCCESS
