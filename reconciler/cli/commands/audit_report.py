"""``reconciler audit report``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import click

from reconciler.audit.report import make_report, selected_deletions
from reconciler.cli import environment
from reconciler.cli.console import require_writable, say, write_document, write_file
from reconciler.cli.formats import Writes, format_options
from reconciler.cli.options import root_option, state_option
from reconciler.cli.project import find_root
from reconciler.cli.record_selection import selection_options
from reconciler.errors import ExitCode
from reconciler.model.audit import AuditReport, Selection
from reconciler.model.deletion import RecordedDeletion
from reconciler.reporting.audit_html import report_as_html
from reconciler.reporting.audit_json import report_as_json
from reconciler.reporting.audit_markdown import report_as_markdown
from reconciler.reporting.deletions_csv import deletions_as_csv

AUDIT_FORMS: Mapping[str, Callable[[AuditReport, Iterable[RecordedDeletion]], Iterator[str]]] = {
    "markdown": report_as_markdown,
    "html": report_as_html,
    "json": report_as_json,
    "csv": lambda _, deletions: deletions_as_csv(deletions),
}


@click.command(name="report")
@selection_options
@format_options(AUDIT_FORMS, default="markdown")
@state_option
@root_option
def command(
    *,
    selection: Selection,
    form: str,
    writes: Writes,
    state: Path | None,
    root: Path | None,
) -> int:
    """Tell what was removed, by whom and why, and with what evidence.

    Totals by reason, store, month and actor; who had each run done; what a gate stopped, what came
    back; what is kept and when it was seen last; how much of what was planned is proven; each
    deletion with its request and the retrieve after it. CSV holds the deletions alone, as `audit
    export` writes them. A day stands for its beginning, and a TIME without an offset is UTC.

    Exit code 1 when a part of the record cannot be read; the rest is reported.

    \b
    Examples:
      reconciler audit report
      reconciler audit report --write html=report.html
      reconciler audit report --since 2026-01-01 --until 2027-01-01 --write csv=2026.csv
      reconciler audit report --reason 113037 --format json
    """
    require_writable(*(path for _, path in writes))
    folder = environment.state_folder(state, find_root(root))
    report = make_report(folder, selection)
    for problem in report.problems:
        say(f"error: {problem}")
    for name, path in writes:
        write_file(path, AUDIT_FORMS[name](report, selected_deletions(folder, selection)))
    write_document(AUDIT_FORMS[form](report, selected_deletions(folder, selection)))
    return ExitCode.ERROR if report.problems else ExitCode.SUCCESS
