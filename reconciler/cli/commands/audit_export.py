"""``reconciler audit export``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from reconciler.audit.selection import Selection, recorded_deletions
from reconciler.cli import environment
from reconciler.cli.console import report_error, require_writable, write_document, write_file
from reconciler.cli.options import root_option, state_option
from reconciler.cli.project import find_root
from reconciler.errors import BrokenJournal, ExitCode, JournalError
from reconciler.model.deletion import RecordedDeletion
from reconciler.reporting.deletions_csv import deletions_as_csv

Render = Callable[[Iterable[RecordedDeletion]], Iterable[str]]

FORMATS: Mapping[str, Render] = {"csv": deletions_as_csv}


class Moment(click.ParamType[datetime]):
    """``2026-03-01`` or ``2026-03-01T12:00:00Z``; without an offset it is UTC."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Parse the text, or fail with the forms that are understood."""
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no day or time such as 2026-03-01T12:00:00Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.command(name="export")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), required=True, help="The form.")
@click.option("--run", "runs", multiple=True, metavar="RUN", help="Only this run; may be repeated.")
@click.option("--since", type=Moment(), metavar="TIME", help="Only from this time on.")
@click.option("--until", type=Moment(), metavar="TIME", help="Only before this time.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the document goes [default: stdout].",
)
@state_option
@root_option
def command(
    *,
    form: str,
    runs: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    out: Path | None,
    state: Path | None,
    root: Path | None,
) -> int:
    """Write the deletions on record for an auditor.

    A day stands for its beginning, and a TIME without an offset is UTC. A deletion whose proof is
    not on record is unconfirmed. Where a run is broken, what stands before the break is written.

    Exit code 3 when a record is broken, 1 when a run cannot be read.

    \b
    Examples:
      reconciler audit export --format csv --since 2026-01-01 --out deletions.csv
    """
    require_writable(out)
    folder = environment.state_folder(state, find_root(root))
    problems: list[JournalError] = []
    deletions = recorded_deletions(folder, Selection(runs, since, until), problems.append)
    pieces = FORMATS[form](deletions)
    if out is None:
        write_document(pieces)
    else:
        write_file(out, pieces)
    return _account(problems)


def _account(problems: list[JournalError]) -> int:
    for problem in problems:
        report_error(problem)
    if any(isinstance(problem, BrokenJournal) for problem in problems):
        return ExitCode.REFUSED
    return ExitCode.ERROR if problems else ExitCode.SUCCESS
