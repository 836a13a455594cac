"""``reconciler audit report``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from reconciler.audit.report import make_report, selected_removals
from reconciler.cli import environment
from reconciler.cli.console import require_writable, say, write_document, write_file
from reconciler.cli.formats import Writes, format_options
from reconciler.cli.options import root_option, state_option
from reconciler.cli.project import find_root
from reconciler.errors import ExitCode
from reconciler.model.audit import AuditReport, Removal, Selection
from reconciler.model.desired import ReasonCode
from reconciler.reporting.audit_csv import removals_as_csv
from reconciler.reporting.audit_json import report_as_json
from reconciler.reporting.audit_markdown import report_as_markdown

AUDIT_FORMS: Mapping[str, Callable[[AuditReport, Iterable[Removal]], Iterator[str]]] = {
    "markdown": report_as_markdown,
    "json": report_as_json,
    "csv": lambda _, removals: removals_as_csv(removals),
}


_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?)Z?")


class _Moment(click.ParamType[datetime]):
    """``2026-03-01`` or ``2026-03-01T12:00:00``, in UTC."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Parse the text, or fail with the forms that are understood."""
        if isinstance(value, datetime):
            return value
        written = _TIME.fullmatch(str(value))
        try:
            moment = datetime.fromisoformat(written[1] if written else "")
        except ValueError:
            hint = "a time such as 2026-03-01 or 2026-03-01T12:00:00Z"
            self.fail(f"{value!r} is not {hint}", param, ctx)
        return moment.replace(tzinfo=UTC)


@click.command(name="report")
@click.option("--since", type=_Moment(), metavar="TIME", help="From then on, in UTC.")
@click.option("--until", type=_Moment(), metavar="TIME", help="Before then, in UTC.")
@click.option("--study", "studies", multiple=True, metavar="UID", help="Of this study; repeatable.")
@click.option(
    "--reason",
    "reasons",
    type=click.Choice([code.value for code in ReasonCode]),
    metavar="CODE",
    multiple=True,
    help="For this reason, a code of DICOM CID 7031; repeatable.",
)
@click.option("--run", "runs", multiple=True, metavar="RUN", help="Of this run; repeatable.")
@format_options(AUDIT_FORMS, default="markdown")
@state_option
@root_option
def command(
    *,
    since: datetime | None,
    until: datetime | None,
    studies: tuple[str, ...],
    reasons: tuple[str, ...],
    runs: tuple[str, ...],
    form: str,
    writes: Writes,
    state: Path | None,
    root: Path | None,
) -> int:
    """Tell what was removed, by whom and why, and with what evidence.

    Totals by reason, store, month and actor; what a gate stopped; what is kept and when it was
    seen last; how much of what was planned is proven; each removal with its request and the
    retrieve after it. CSV holds the removals alone.

    Exit code 1 when a part of the record cannot be read; the rest is reported.

    \b
    Examples:
      reconciler audit report
      reconciler audit report --since 2026-01-01 --until 2027-01-01 --write csv=2026.csv
      reconciler audit report --reason 113037 --format json
    """
    require_writable(*(path for _, path in writes))
    folder = environment.state_folder(state, find_root(root))
    selection = Selection(since, until, frozenset(studies), frozenset(reasons), frozenset(runs))
    report = make_report(folder, selection)
    for problem in report.problems:
        say(f"error: {problem}")
    for name, path in writes:
        write_file(path, AUDIT_FORMS[name](report, selected_removals(folder, selection)))
    write_document(AUDIT_FORMS[form](report, selected_removals(folder, selection)))
    return ExitCode.ERROR if report.problems else ExitCode.SUCCESS
